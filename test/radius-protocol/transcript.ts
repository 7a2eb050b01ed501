/**
 * Runs a transcript of packets. Lines that begin a command are input; the lines `| …` under them are what the product
 * says, and are compared with what it says today. Commands:
 *
 *   secret TEXT            the shared secret from here on
 *   request HEX            parse, dump, verify
 *   password TEXT          check the last request's credential against this password
 *   reply HEX              parse, dump, verify against the last request
 *   rebuild request|reply  build the last one again from its attributes with our Writer: the same octets?
 */
import { verifyCredential } from '#radius/credentials';
import { dump } from '#radius/dump';
import {
  Code,
  Packet,
  Secret,
  verifyAccountingAuthenticator,
  verifyMessageAuthenticator,
  verifyReply,
  Writer,
} from '#radius/packet';

const MESSAGE_AUTHENTICATOR = 80;

class Stage {
  secret = new Secret('unset');
  readonly request = new Packet();
  readonly reply = new Packet();
  /** Of the last request, also of one that is malformed. */
  requestAuthenticator: Buffer = Buffer.alloc(16);

  run(command: string, argument: string): string[] {
    switch (command) {
      case 'secret':
        this.secret = new Secret(argument);
        return [];
      case 'request':
        return this.#request(Buffer.from(argument, 'hex'));
      case 'password':
        return [this.#password(argument)];
      case 'reply':
        return this.#reply(Buffer.from(argument, 'hex'));
      case 'rebuild':
        return [this.#rebuild(argument === 'reply')];
      default:
        throw new Error(`no command of a transcript: ${command}`);
    }
  }

  #request(octets: Buffer): string[] {
    this.requestAuthenticator = Buffer.from(octets.subarray(4, 20));
    const { request, secret } = this;
    if (!request.parse(octets)) return [`malformed: ${request.fault}`];
    const lines = [
      ...dump(request).split('\n'),
      `Message-Authenticator ${verifyMessageAuthenticator(request, secret)}`,
    ];
    if (request.code === Code.accessRequest || request.code === Code.statusServer) return lines;
    return [...lines, `Request Authenticator ${verifyAccountingAuthenticator(request, secret) ? 'valid' : 'wrong'}`];
  }

  #password(password: string): string {
    const check = verifyCredential(this.request, this.secret, this.request.text(1) ?? '', password);
    return check.ok ? 'password right' : `refused: ${check.kind}`;
  }

  #reply(octets: Buffer): string[] {
    if (!this.reply.parse(octets)) return [`malformed: ${this.reply.fault}`];
    const holds = verifyReply(this.reply, this.requestAuthenticator, this.secret);
    return [...dump(this.reply).split('\n'), `authenticators ${holds ? 'valid' : 'wrong'}`];
  }

  #rebuild(reply: boolean): string {
    const packet = reply ? this.reply : this.request;
    const writer = new Writer();
    writer.begin(packet.code, packet.identifier);
    packet.forEach((type, start, length) => {
      if (type === MESSAGE_AUTHENTICATOR) writer.addMessageAuthenticator();
      else writer.addBytes(type, packet.buffer.subarray(start, start + length));
    });
    const built = writer.buffer.toString('hex', 0, this.#finish(writer, reply));
    return built === packet.buffer.toString('hex', 0, packet.length) ? 'the same octets' : `other octets: ${built}`;
  }

  #finish(writer: Writer, reply: boolean): number {
    if (reply) return writer.finishReply(this.requestAuthenticator, this.secret);
    const { code } = this.request;
    const random = code === Code.accessRequest || code === Code.statusServer;
    if (random) return writer.finishAccessRequest(this.requestAuthenticator, this.secret);
    return writer.finishRequest(this.secret);
  }
}

/** The transcript with what the product says today in place of what stood under the commands. */
export function replay(transcript: string): string {
  const stage = new Stage();
  const lines = transcript.split('\n').filter((line) => !line.startsWith('|'));
  const said = lines.flatMap((line) => {
    const [, command, argument] = /^(\w+) (.*)$/.exec(line) ?? [];
    if (command === undefined || argument === undefined || /^(V\d|#)/.test(line)) return [line];
    return [line, ...stage.run(command, argument).map((text) => `| ${text}`)];
  });
  return said.join('\n');
}

/** All packets of a transcript. */
export function packetsOf(transcript: string): Buffer[] {
  return [...transcript.matchAll(/^(?:request|reply) ([0-9a-f]+)$/gm)].map((match) => Buffer.from(match[1]!, 'hex'));
}
