import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import type { Burst } from '#domain/plan';

/**
 * The tables that are edited by hand and read as objects. Whatever holds a secret, or is hot, is not among them:
 * MikroORM writes values into the SQL text, so those go through bound statements in the files beside this one.
 */
export const PlanEntity = defineEntity({
  name: 'Plan',
  tableName: 'plan',
  properties: {
    id: p.integer().primary().autoincrement(),
    name: p.text(),
    createdAt: p.datetime().defaultRaw('now()'),
    retiredAt: p.datetime().nullable(),
    description: p.text().default(''),
    onPortal: p.boolean().default(true),
    position: p.integer().default(0),
    revisions: () => p.oneToMany(PlanRevisionEntity).mappedBy('plan'),
  },
});

export const PlanRevisionEntity = defineEntity({
  name: 'PlanRevision',
  tableName: 'plan_revision',
  properties: {
    id: p.integer().primary().autoincrement(),
    plan: () => p.manyToOne(PlanEntity),
    revision: p.integer(),
    downloadBps: p.bigint('number'),
    uploadBps: p.bigint('number'),
    burst: p.json<Burst>().nullable(),
    allowanceBytes: p.bigint('number').nullable(),
    periodDays: p.integer().nullable(),
    periodMonths: p.integer().nullable(),
    priceRupiah: p.bigint('number'),
    profile: p.text().nullable(),
    speedProfileId: p.integer().nullable(),
    createdAt: p.datetime().defaultRaw('now()'),
  },
});

export type PlanRow = InferEntity<typeof PlanEntity>;
export type PlanRevisionRow = InferEntity<typeof PlanRevisionEntity>;

/** All of them, for `openDatabase`. */
export const entities = [PlanEntity, PlanRevisionEntity] as const;
