import { clockCorrectionMs, monotonicMs, systemClock } from '#domain/clock';
import { byLabel, type Family, histogramSamples, type Sample, single } from '#http/metrics';
import { ANSWER_BOUNDS_SECONDS, type DriverCount } from '#policy-server/counted-driver';
import type { NodeParts } from '#policy-server/node-parts';
import type { RadiusSide, WorkerState } from '#policy-server/radius-side';
import type { RadiusMetrics } from '#radius/worker-messages';

/** Everything this node counts, for Prometheus. Rates, ratios and alarms are made there. */
export function nodeMetrics(parts: NodeParts): Family[] {
  return [
    ...(parts.radius === null ? [] : radiusFamilies(parts.radius)),
    ...intakeFamilies(parts),
    ...enforcementFamilies(parts),
    ...staticFamilies(parts),
    ...jobFamilies(parts),
    ...messageFamilies(parts),
    ...paymentFamilies(parts),
    ...processFamilies(),
  ];
}

function radiusFamilies(radius: RadiusSide): Family[] {
  const states = radius.states();
  const metrics = states.flatMap((state) => state.metrics ?? []);
  const sum = (pick: (of: RadiusMetrics) => number) => metrics.reduce((total, of) => total + pick(of), 0);
  const perWorker = (pick: (state: WorkerState) => number | null): Sample[] =>
    states.flatMap((state) => {
      const value = pick(state);
      return value === null ? [] : [{ labels: { worker: state.worker }, value }];
    });
  return [
    byLabel('gerbang_radius_answers_total', 'Requests answered, by answer', 'answer', {
      'access-accept': sum((of) => of.accepts),
      'access-reject': sum((of) => total(of.rejects)),
      'accounting-response': sum((of) => of.accountingAnswered),
      'rest-authorize': sum((of) => of.restAuthorized),
      'rest-refused': sum((of) => of.restRefused),
      'status-server': sum((of) => of.statusServerAnswered),
    }),
    byLabel(
      'gerbang_radius_rejects_total',
      'Access-Rejects, by reason',
      'reason',
      summed(metrics.map((of) => of.rejects)),
    ),
    byLabel(
      'gerbang_radius_drops_total',
      'Datagrams not answered, by reason',
      'reason',
      summed(metrics.map((of) => of.drops)),
    ),
    single(
      'gerbang_radius_duplicates_total',
      'Requests answered again from memory',
      'counter',
      sum((of) => of.duplicatesAnswered),
    ),
    single(
      'gerbang_accounting_received_total',
      'Accounting-Requests taken',
      'counter',
      sum((of) => of.accountingReceived),
    ),
    single(
      'gerbang_journal_pending_records',
      'Accounting records that wait for the disk',
      'gauge',
      sum((of) => of.journalPending),
    ),
    family(
      'gerbang_journal_healthy',
      'Whether the accounting journal can be written',
      'gauge',
      perWorker((state) => (state.metrics === null ? null : Number(state.metrics.journalHealthy))),
    ),
    family(
      'gerbang_directory_subscribers',
      'Subscribers held in memory',
      'gauge',
      perWorker((state) => state.metrics?.subscribers ?? null),
    ),
    family(
      'gerbang_radius_worker_restarts_total',
      'Starts of a RADIUS worker after the first',
      'counter',
      perWorker((state) => state.restarts),
    ),
    family(
      'gerbang_radius_worker_silent_seconds',
      'Since the last sign of life of a RADIUS worker',
      'gauge',
      perWorker((state) => state.silentMs / 1000),
    ),
  ];
}

function intakeFamilies({ intake }: NodeParts): Family[] {
  const of = intake?.metrics() ?? null;
  if (intake === null || of === null) return [];
  const lagSeconds = of.behindOctets === 0 || of.appliedUpTo === null ? 0 : (systemClock() - of.appliedUpTo) / 1000;
  return [
    single('gerbang_intake_records_total', 'Accounting records applied to the database', 'counter', of.recordsApplied),
    single('gerbang_intake_batches_total', 'Transactions that applied them', 'counter', of.batchesApplied),
    single('gerbang_intake_quarantined_total', 'Accounting requests that could not be used', 'counter', of.quarantined),
    single('gerbang_intake_damaged_total', 'Places in journals where records are missing', 'counter', of.damaged),
    single('gerbang_intake_behind_bytes', 'Journal not applied yet', 'gauge', of.behindOctets),
    single('gerbang_intake_lag_seconds', 'Age of the newest applied record while some are not', 'gauge', lagSeconds),
    single('gerbang_intake_restarts_total', 'Starts of the intake after the first', 'counter', intake.restarts()),
    single(
      'gerbang_database_reachable',
      'Whether the intake reaches the database',
      'gauge',
      Number(of.databaseReachable),
    ),
  ];
}

function enforcementFamilies({ enforcement, directory }: NodeParts): Family[] {
  if (enforcement === null || directory === null) return [];
  const { held, nases } = enforcement.loop.status();
  const names = new Map(directory.nases.map((nas) => [nas.id, nas.name]));
  const perNas = (pick: (of: (typeof nases)[number]) => number): Sample[] =>
    nases.map((of) => ({ labels: { nas: names.get(of.nasId) ?? of.nasId }, value: pick(of) }));
  return [
    single(
      'gerbang_enforcement_behind_seconds',
      'Longest wait of a due subscriber',
      'gauge',
      enforcement.loop.behindMs() / 1000,
    ),
    single('gerbang_enforcement_held', 'Subscribers being looked at or waiting for their NAS', 'gauge', held),
    single('gerbang_sessions', 'Live sessions', 'gauge', directory.liveSessions),
    ...driverFamilies(enforcement.counts(), (id) => names.get(id) ?? String(id)),
    family(
      'gerbang_nas_queued',
      'Requests that wait for their turn at a NAS',
      'gauge',
      perNas((of) => of.queued),
    ),
    family(
      'gerbang_nas_in_flight',
      'Requests that wait for the answer of a NAS',
      'gauge',
      perNas((of) => of.inFlight),
    ),
    family(
      'gerbang_nas_silent',
      'Whether a NAS has stopped to answer CoA and Disconnect',
      'gauge',
      perNas((of) => Number(of.silent)),
    ),
    byLabel('gerbang_coa_ignored_replies_total', 'Replies to CoA and Disconnect that were none', 'reason', {
      ...enforcement.client.ignored,
    }),
  ];
}

function staticFamilies({ staticLines }: NodeParts): Family[] {
  const routers = staticLines?.routers() ?? [];
  const perRouter = (pick: (of: (typeof routers)[number]) => number): Sample[] =>
    routers.map((of) => ({ labels: { nas: of.name }, value: pick(of) }));
  const gauge = (name: string, help: string, pick: (of: (typeof routers)[number]) => number) =>
    family(name, help, 'gauge', perRouter(pick));
  const counter = (name: string, help: string, pick: (of: (typeof routers)[number]) => number) =>
    family(name, help, 'counter', perRouter(pick));
  return [
    gauge('gerbang_api_connected', 'Whether the RouterOS API of a router is connected', (of) =>
      Number(of.state === 'connected'),
    ),
    gauge('gerbang_static_addresses', 'Addresses of static lines a router has to hold', (of) => of.wanted),
    gauge('gerbang_static_differing', 'Addresses a router does not have as decided', (of) => of.differing),
    counter('gerbang_api_commands_total', 'Commands sent to the RouterOS API', (of) => of.counts.commands),
    counter('gerbang_api_traps_total', 'Commands that a router refused', (of) => of.counts.traps),
    counter('gerbang_api_failures_total', 'Connections that failed or were lost', (of) => of.counts.failures),
  ];
}

function driverFamilies(counts: readonly DriverCount[], nameOf: (nasId: number) => string): Family[] {
  const answers = counts.flatMap(({ nasId, request, answers: by }) =>
    Object.entries(by).map(([answer, value]) => ({ labels: { nas: nameOf(nasId), request, answer }, value })),
  );
  const took = counts.flatMap(({ nasId, request, took: buckets, tookSeconds }) =>
    histogramSamples(ANSWER_BOUNDS_SECONDS, buckets, tookSeconds, { nas: nameOf(nasId), request }),
  );
  return [
    family('gerbang_coa_answers_total', 'What NASes answered to CoA, Disconnect and probes', 'counter', answers),
    family('gerbang_coa_seconds', 'How long NASes took to answer', 'histogram', took),
  ];
}

function jobFamilies({ schedule }: NodeParts): Family[] {
  const samples = (schedule?.counts() ?? []).map(({ job, outcome, count }) => ({
    labels: { job, outcome },
    value: count,
  }));
  return [family('gerbang_job_runs_total', 'Looks of each job, by what came of it', 'counter', samples)];
}

function messageFamilies({ messages }: NodeParts): Family[] {
  const of = messages?.metrics() ?? null;
  const state = messages?.control.status().state ?? null;
  return [
    single('gerbang_messages_queued', 'Messages that wait to be sent', 'gauge', of?.queued ?? null),
    byLabel('gerbang_message_tries_total', 'Tries to send a message, by what came of it', 'outcome', of?.counts ?? {}),
    family(
      'gerbang_whatsapp_state',
      'Where the WhatsApp line stands: 1 for the state it is in',
      'gauge',
      state === null ? [] : [{ labels: { state }, value: 1 }],
    ),
  ];
}

function paymentFamilies({ payments }: NodeParts): Family[] {
  const figures = payments?.figures() ?? null;
  if (payments === null || figures === null) return [];
  const { events, orders } = payments.counts();
  const { waiting, oldestAt, unmatched } = figures;
  const oldestSeconds = oldestAt === null ? 0 : Math.max(0, (systemClock() - oldestAt) / 1000);
  return [
    byLabel('gerbang_payment_events_total', 'Calls of payment gateways, by what was done with them', 'as', {
      ...events,
    }),
    byLabel('gerbang_payment_orders_total', 'Orders asked about at their gateway, by what came of it', 'came', {
      ...orders,
    }),
    single('gerbang_payment_events_waiting', 'Events that were not worked on yet', 'gauge', waiting),
    single('gerbang_payment_events_oldest_seconds', 'Since when the oldest of them waits', 'gauge', oldestSeconds),
    single('gerbang_money_unmatched', 'Payments that fit nothing and wait for a person', 'gauge', unmatched),
  ];
}

function processFamilies(): Family[] {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return [
    single('process_resident_memory_bytes', 'Resident memory', 'gauge', rss),
    single('nodejs_heap_used_bytes', 'Heap of the main thread', 'gauge', heapUsed),
    single('process_cpu_seconds_total', 'CPU time of all threads', 'counter', (user + system) / 1e6),
    single(
      'gerbang_clock_correction_seconds',
      "How far the machine's clock is behind the database's; 0 = it is right",
      'gauge',
      clockCorrectionMs() / 1000,
    ),
    single('process_uptime_seconds', 'Since the start', 'gauge', monotonicMs() / 1000),
  ];
}

const family = (name: string, help: string, type: Family['type'], samples: readonly Sample[]): Family => ({
  name,
  help,
  type,
  samples,
});

const total = (of: Readonly<Record<string, number>>): number =>
  Object.values(of).reduce((sum, value) => sum + value, 0);

function summed(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const record of records) for (const [key, value] of Object.entries(record)) sums[key] = (sums[key] ?? 0) + value;
  return sums;
}
