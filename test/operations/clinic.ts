import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { monotonicMs } from '#domain/clock';
import type { FindingCode } from '#domain/nas-evidence';
import type { NasSigns } from '#domain/nas-signs';
import { defaultPolicy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import { SECOND } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { type CheckedRouter, checkNas } from '#operations/check-nas';
import { Intake } from '#policy-server/intake';
import { nasProbe } from '#policy-server/nas-probe';
import { signsRecorder } from '#policy-server/signs-side';
import { Directory } from '#radius/directory';
import { Feed } from '#radius/feed';
import { Journal } from '#radius/journal';
import { RadiusServer, type ReplySocket } from '#radius/server';
import { UdpPort } from '#radius/sockets';
import { loadEntries, loadNases } from '#storage/facts';
import { preparePartitions } from '#storage/history';
import { NOW, type TestDesk, testDesk } from '#test/operations/desk';
import { type Mikrotik, type MikrotikSettings, startMikrotik } from '#test/world/mikrotik';
import type { Session } from '#test/world/session';

/** Routers with real packets before the RADIUS server, journal and accounting intake of one process. */

export const SECRET = 'a-secret-of-thirty-two-octets-00';

export type Patient = {
  readonly name: string;
  readonly nasId: number;
  readonly router: Mikrotik;
  /** Lets so many lines dial, each with a plan of 20M down, 10M up. */
  dial(lines: number, options?: Parameters<Mikrotik['dial']>[2]): Promise<Session[]>;
  /** What is found about it now, by code. */
  check(options?: { readonly probe?: boolean }): Promise<CheckedRouter>;
  finding(code: FindingCode, options?: { readonly probe?: boolean }): Promise<readonly [string, string, string | null]>;
};

export type PatientOptions = {
  readonly address?: string;
  /** What the router has; ours is `SECRET`. */
  readonly secret?: string;
  readonly nas?: Readonly<Record<string, unknown>>;
  readonly options?: MikrotikSettings['options'];
  readonly coaPort?: number;
};

export class Clinic {
  readonly desk: TestDesk;
  readonly #folder: string;
  readonly #server: RadiusServer;
  readonly #directory = new Directory();
  readonly #journal: Journal;
  readonly #ports: readonly UdpPort[];
  readonly #intake: Intake;
  readonly #running: Promise<void>;
  readonly #routers: Mikrotik[] = [];
  #signs: NasSigns[] = [];
  #rounds = 0;
  #now = NOW;
  #serial = 0;
  /** Whether a reply of ours to this address gets lost on the way. */
  loses: (address: string) => boolean = () => false;

  static async open(): Promise<Clinic> {
    const desk = await testDesk();
    await preparePartitions(desk.db, NOW);
    await addPlan(desk, { name: 'p20', down: '20M', up: '10M', period: '30d', price: '75000' });
    const folder = await mkdtemp(join(tmpdir(), 'clinic-'));
    let server: RadiusServer | null = null;
    const journal = await Journal.open(join(folder, '0'), { onDurable: (upTo) => server?.durable(upTo) });
    const made: { clinic: Clinic | null } = { clinic: null };
    const open = (which: 'authentication' | 'accounting') =>
      UdpPort.open({
        hosts: ['127.0.0.1'],
        port: 0,
        reusePort: false,
        onDatagram: (datagram, from, socket) => server?.[which](datagram, from, made.clinic!.#lossy(socket)),
        onError: (error) => {
          throw error;
        },
      });
    const ports = [await open('authentication'), await open('accounting')];
    const clinic = new Clinic(desk, folder, journal, ports);
    made.clinic = clinic;
    server = clinic.#server;
    return clinic;
  }

  private constructor(desk: TestDesk, folder: string, journal: Journal, ports: readonly UdpPort[]) {
    this.desk = { ...desk, clock: () => this.#now };
    this.#folder = folder;
    this.#journal = journal;
    this.#ports = ports;
    this.#directory.setPolicies(onlyPolicy(defaultPolicy(desk.zone)));
    this.#directory.snapshotDone();
    this.#server = new RadiusServer({
      directory: this.#directory,
      journal,
      events: new Feed(() => undefined),
      clock: () => this.#now,
      monotonicMs,
      onError: (error) => {
        throw error;
      },
    });
    this.#intake = new Intake({
      db: desk.db,
      clock: () => this.#now,
      zone: desk.zone,
      journalsFolder: folder,
      interimSeconds: 300,
      post: (message) => {
        if (message.kind === 'nasSigns') this.#signs.push(...message.signs);
        if (message.kind === 'metrics') this.#rounds += 1;
      },
    });
    this.#running = this.#intake.run();
  }

  /** Time goes on for the server; routers have a clock of their own. */
  pass(ms: number): void {
    this.#now += ms;
  }

  get ports(): { readonly authPort: number; readonly acctPort: number } {
    return { authPort: this.#ports[0]!.port, acctPort: this.#ports[1]!.port };
  }

  get now(): number {
    return this.#now;
  }

  /** A router that is entered here as it should be, and is set up as `options` say. */
  async admit(
    name: string,
    { address, secret = SECRET, nas, options, coaPort = 0 }: PatientOptions = {},
  ): Promise<Patient> {
    this.#serial += 1;
    const at = address ?? `127.0.1.${this.#serial}`;
    const [auth, acct] = this.#ports;
    const server = { host: '127.0.0.1', authPort: auth!.port, acctPort: acct!.port };
    const router = await startMikrotik({
      server,
      secret,
      coaPort,
      options: { ...options, address: at, identity: name },
    });
    this.#routers.push(router);
    const row = { name, address: at, secret: SECRET, coaPort: router.coaPort, ...nas };
    const { id } = await addNas(this.desk, row);
    await this.reload();
    const patient: Patient = {
      name,
      nasId: id,
      router,
      dial: (lines, dialled) => this.#dial(router, name, lines, dialled),
      check: async (asked) => {
        const [checked] = await checkNas(this.desk, { name }, asked?.probe ? this.probe() : null);
        return checked!.routers.find((one) => one.address === at) ?? checked!.routers[0]!;
      },
      finding: async (code, asked) => {
        const { level, says, fix } = (await patient.check(asked)).findings.find((one) => one.code === code)!;
        return [level, says, fix];
      },
    };
    return patient;
  }

  probe() {
    return nasProbe('127.0.0.1', () => loadNases(this.desk.db, this.desk.sealer));
  }

  async reload(): Promise<void> {
    const nases = await loadNases(this.desk.db, this.desk.sealer);
    this.#server.setNases(nases.map((nas) => ({ ...nas, secret: nas.secret.reveal() })));
  }

  /** Whatever routers have said so far is in the database, as if they had gone on. */
  async settle(): Promise<void> {
    const { counters } = this.#server;
    await vi.waitUntil(() => this.#intake.metrics().recordsApplied === counters.accountingReceived, PATIENCE);
    for (const ms of [6 * SECOND, 6 * SECOND]) {
      this.pass(ms);
      const before = this.#rounds;
      await vi.waitUntil(() => this.#rounds > before, PATIENCE);
    }
    const warn = vi.fn();
    const recorder = signsRecorder({ db: () => this.desk.db, clock: this.desk.clock, log: { warn } });
    recorder.add([...this.#signs.splice(0), ...this.#server.signs.take(this.#now)]);
    await recorder.stop();
    expect(warn).not.toHaveBeenCalled();
  }

  async close(): Promise<void> {
    for (const router of this.#routers) await router.stop();
    await Promise.all(this.#ports.map((port) => port.close()));
    await this.#journal.close();
    this.#server.close();
    this.#intake.stop();
    await this.#running;
    await rm(this.#folder, { recursive: true });
  }

  async #dial(
    router: Mikrotik,
    name: string,
    lines: number,
    options: Parameters<Mikrotik['dial']>[2] = {},
  ): Promise<Session[]> {
    const usernames = Array.from({ length: lines }, () => `${name}-${++this.#serial}`);
    const ids: number[] = [];
    for (const username of usernames) {
      ids.push((await addSubscriber(this.desk, { username, password: `pw of ${username}` })).id);
      await addGrant(this.desk, { username, plan: 'p20' });
    }
    this.#directory.put(await loadEntries(this.desk.db, this.desk.sealer, ids));
    return Promise.all(usernames.map((username) => router.dial(username, `pw of ${username}`, options)));
  }

  #lossy(socket: ReplySocket): ReplySocket {
    return {
      send: (octets, offset, length, port, address) => {
        if (!this.loses(address)) socket.send(octets, offset, length, port, address);
      },
    };
  }
}

const PATIENCE = { timeout: 10_000, interval: 5 };
