import { EventEmitter } from 'node:events';

export type WorldEvent = {
  readonly at: number;
  readonly kind: 'up' | 'rejected' | 'unanswered' | 'down' | 'coa' | 'disconnect' | 'nak' | 'fault' | 'lost' | 'reboot';
  /** Empty where the event is about no line. */
  readonly username: string;
  readonly text: string;
};

/** Something of the simulated world that tells what happens to it, and can be waited for. */
export class Teller extends EventEmitter<{ event: [WorldEvent] }> {
  /** The newest events, oldest first. */
  readonly recent: WorldEvent[] = [];

  constructor() {
    super();
    this.setMaxListeners(0);
  }

  tell(kind: WorldEvent['kind'], username: string, text: string): void {
    const event: WorldEvent = { at: Date.now(), kind, username, text };
    this.recent.push(event);
    if (this.recent.length > 1000) this.recent.splice(0, 500);
    this.emit('event', event);
  }

  /** Resolves with the first truthy answer of `check`, asked now and after each event; fails after `timeoutMs`. */
  until<T>(what: string, check: () => T | false | null | undefined, timeoutMs = 5000): Promise<T> {
    return new Promise((resolve, reject) => {
      const ask = () => {
        const answer = check();
        if (!answer) return false;
        clearTimeout(timer);
        this.off('event', ask);
        resolve(answer);
        return true;
      };
      const timer = setTimeout(() => {
        this.off('event', ask);
        const story = this.recent.slice(-10).map(({ username, text }) => `  ${username} ${text}`);
        reject(new Error(`not within ${timeoutMs} ms: ${what}. The router's last events:\n${story.join('\n')}`));
      }, timeoutMs);
      if (!ask()) this.on('event', ask);
    });
  }
}
