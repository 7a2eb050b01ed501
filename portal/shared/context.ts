import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { may, type Permission } from '#operations/permissions';
import { Format } from '#portal/shared/format';
import { navigation } from '#portal/shared/navigation';
import type { Opened, PortalParts } from '#portal/shared/parts';
import { type Layout, render, renderPart, type View } from '#portal/shared/render';
import { said } from '#portal/shared/said';
import { type Language, type Values, words } from '#portal/shared/words';
import type { FoundWebSession } from '#storage/web-sessions';

export const COOKIES = {
  staff: 'gerbang_staff',
  portal: 'gerbang_portal',
  device: 'gerbang_device',
  language: 'gerbang_lang',
  flash: 'gerbang_flash',
} as const;

export type StaffSession = Extract<FoundWebSession, { kind: 'staff' }>;
export type PortalSession = Extract<FoundWebSession, { kind: 'portal' }>;

export type PageOptions = {
  readonly title: string;
  /** Key of the entry of the navigation that this page belongs to. */
  readonly active?: string;
  readonly status?: number;
  readonly layout?: Layout;
  /** The browser asks again after so many seconds (also without scripts). */
  readonly refreshSeconds?: number;
  /** The browser goes on to this address at once (also without scripts): one that may be of another site. */
  readonly forwardTo?: string;
  /** The page of staff draws charts: what they need is loaded. */
  readonly charts?: true;
  /** The page shows a document of policy: what its editor needs is loaded. */
  readonly policy?: true;
};

/** What one request of a page is answered with and from: who asks, in which language, and the means to answer. */
export class Context {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly parts: PortalParts;
  readonly opened: Opened;
  readonly language: Language;
  readonly now: Instant;
  readonly format: Format;
  readonly view: View;
  readonly #staff: StaffSession | null;
  readonly #portal: PortalSession | null;

  constructor(of: {
    request: FastifyRequest;
    reply: FastifyReply;
    parts: PortalParts;
    opened: Opened;
    staff: StaffSession | null;
    portal: PortalSession | null;
    language: Language;
    csrf: string;
  }) {
    this.request = of.request;
    this.reply = of.reply;
    this.parts = of.parts;
    this.opened = of.opened;
    this.language = of.language;
    this.now = of.parts.clock();
    this.format = new Format(of.language, of.parts.zone, this.now);
    this.view = { format: this.format, csrf: of.csrf };
    this.#staff = of.staff;
    this.#portal = of.portal;
  }

  get db() {
    return this.opened.db;
  }

  /** Where browsers reach us: what is configured, else what this browser used. */
  get publicUrl(): string {
    return this.parts.publicUrl ?? `${this.request.protocol}://${this.request.host}`;
  }

  /** For operations; the actor is whoever is logged in. */
  get desk(): Desk {
    const { db, sealer } = this.opened;
    const actor =
      this.#staff !== null
        ? `staff:${this.#staff.staff.username}`
        : this.#portal !== null
          ? `subscriber:${this.#portal.subscriberId}`
          : 'portal';
    return { db, sealer, clock: this.parts.clock, zone: this.parts.zone, actor, publicUrl: this.publicUrl };
  }

  /** The staff member who is logged in. Only on doors of staff. */
  get staff(): StaffSession['staff'] {
    if (this.#staff === null) throw new Error('this door is not one of staff');
    return this.#staff.staff;
  }

  get staffSession(): StaffSession | null {
    return this.#staff;
  }

  get portalSession(): PortalSession | null {
    return this.#portal;
  }

  /** The subscriber who is logged in. Only on doors of customers. */
  get subscriberId(): number {
    if (this.#portal === null) throw new Error('this door is not one of customers');
    return this.#portal.subscriberId;
  }

  /** Whether the staff member who asks may do that. */
  allowed(permission: Permission): boolean {
    return this.#staff !== null && may(this.#staff.staff.role, permission);
  }

  t(key: string, values?: Values): string {
    return words(this.language, key, values);
  }

  /** What the product said in English, in the reader's words. */
  said(line: string): string {
    return said(this.format, line);
  }

  /** Answers with a page. */
  async page(template: string, model: object, options: PageOptions): Promise<FastifyReply> {
    const { company } = await this.opened.settings();
    const layout = options.layout ?? (this.#staff !== null && this.isStaffPage ? 'staff' : 'customer');
    const frame = {
      title: options.title,
      company,
      waNumber: company.phone === null ? null : company.phone.replace(/\D/g, ''),
      // The Portal ID says who writes; the PIN never stands in a link.
      waText: encodeURIComponent(
        this.t('shared.wa-text', { company: company.name, portalId: this.#portal?.portalId ?? '' }),
      ),
      flash: this.#takeFlash(),
      refreshSeconds: options.refreshSeconds ?? null,
      forwardTo: options.forwardTo ?? null,
      home: /^\/customer(?=[/?]|$)/.test(this.request.url) ? '/customer' : '/prepaid/portal/home',
      charts: options.charts ?? false,
      policy: options.policy ?? false,
      otherLanguage: this.language === 'id' ? 'en' : 'id',
      here: encodeURIComponent(this.#here(options.status ?? 200)),
      loggedIn: this.#portal !== null,
      staff: this.#staff?.staff ?? null,
      navigation: this.#staff === null ? [] : navigation(this.#staff.staff.role, options.active ?? null, this.language),
    };
    const html = render(this.view, layout, template, model, frame);
    return this.reply
      .code(options.status ?? 200)
      .type('text/html; charset=utf-8')
      .send(html);
  }

  /** Answers with a piece of a page, for a script that puts it in its place. */
  part(template: string, model: object): FastifyReply {
    return this.reply.type('text/html; charset=utf-8').send(renderPart(this.view, template, model));
  }

  /** A piece of a page as text, for an answer that holds more. */
  piece(template: string, model: object): string {
    return renderPart(this.view, template, model);
  }

  /** Sends the browser on (303) to a path of ours; `flash` is a text that the next page shows at its top. */
  redirect(path: string, flash?: { readonly kind: 'good' | 'bad'; readonly text: string }): FastifyReply {
    if (flash !== undefined) {
      const value = Buffer.from(JSON.stringify(flash)).toString('base64url');
      this.reply.setCookie(COOKIES.flash, value, { path: '/', httpOnly: true, sameSite: 'lax', maxAge: 60 });
    }
    return this.reply.redirect(localPath(path) ?? '/', 303);
  }

  /** Where the switch of languages comes back to. An address that leads nowhere is not repeated: who knows what is in it. */
  #here(status: number): string {
    if (status === 404) return '/';
    return this.request.method === 'GET' ? this.request.url : this.request.url.split('?', 1)[0]!;
  }

  private get isStaffPage(): boolean {
    return this.request.routeOptions.config.door === 'staff';
  }

  #takeFlash(): { kind: string; text: string } | null {
    const value = this.request.cookies[COOKIES.flash];
    if (value === undefined) return null;
    this.reply.clearCookie(COOKIES.flash, { path: '/' });
    try {
      const { kind, text } = JSON.parse(Buffer.from(value, 'base64url').toString('utf8')) as Record<string, unknown>;
      if (typeof text !== 'string' || text.length > 1_000) return null;
      return { kind: kind === 'bad' ? 'bad' : 'good', text };
    } catch {
      return null; // a cookie that is none of ours has nothing to say
    }
  }
}

/** The path when it leads to a page of ours and nowhere else (no `//host`, no scheme, no control characters), else null. */
export function localPath(path: string | undefined | null): string | null {
  return path !== undefined && path !== null && /^\/(?![/\\])[^\\\p{Cc}]{0,1000}$/u.test(path) ? path : null;
}
