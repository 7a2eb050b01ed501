import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';

/** The one sentence for a user name that nobody has. */
export function noSuchSubscriber(username: string): never {
  throw new InvalidInput([
    say`there is no subscriber "${username}"; user names are case-sensitive; add one with: subscriber add --username ${username} --password …`,
  ]);
}

/** The one sentence for a number that no subscriber has. */
export function noSubscriberOfNumber(id: number): never {
  throw new InvalidInput([say`there is no subscriber of number ${id}`]);
}
