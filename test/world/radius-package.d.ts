/** The parts of the npm package `radius` 1.1.4 that the simulated router uses (it ships no types). */
declare module 'radius' {
  type Value = string | number | Buffer;
  /** `[name, value]`, or `['Vendor-Specific', vendor, [[name, value], …]]`. */
  type Attribute =
    | readonly [string, Value]
    | readonly ['Vendor-Specific', string, readonly (readonly [string, Value])[]];
  type Decoded = {
    readonly code: string;
    readonly identifier: number;
    readonly length: number;
    readonly authenticator: Buffer;
    readonly attributes: Readonly<Record<string, unknown>>;
    readonly raw_attributes: readonly (readonly [number, Buffer])[];
  };
  const radius: {
    add_dictionary(file: string): void;
    encode(request: {
      code: string;
      secret: string;
      identifier: number;
      attributes: Attribute[];
      authenticator?: Buffer;
      add_message_authenticator?: boolean;
    }): Buffer;
    decode_without_secret(from: { packet: Buffer }): Decoded;
  };
  export default radius;
  export type { Attribute, Decoded, Value };
}
