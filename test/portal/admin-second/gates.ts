import { STAFF_ROLES, type StaffRole } from '#storage/staff';
import type { FormFields } from '#test/portal/browserlike';
import type { TestPortal } from '#test/portal/harness';

/** The roles that get each page; all others must be told that they may not. */
export async function whoOpens(pages: TestPortal, paths: readonly string[]): Promise<Record<string, StaffRole[]>> {
  const open: Record<string, StaffRole[]> = Object.fromEntries(paths.map((path) => [path, []]));
  for (const role of STAFF_ROLES) {
    const browser = await pages.loginStaff(role);
    for (const path of paths) {
      const { status, text } = await browser.fetch(path);
      if (status === 200) open[path]!.push(role);
      else if (status !== 403 || !text.includes('Tidak diizinkan'))
        throw new Error(`${path} answers ${role} ${status}`);
    }
  }
  return open;
}

/**
 * Sends each form as every one of `roles` with a token that is right, and as an owner without a token and from another
 * site. Returns those that were not refused with 403.
 */
export async function unrefused(
  pages: TestPortal,
  forms: Readonly<Record<string, FormFields>>,
  roles: readonly StaffRole[],
): Promise<string[]> {
  const taken: string[] = [];
  const owner = await pages.loginStaff('owner');
  await owner.open('/account');
  for (const [path, fields] of Object.entries(forms)) {
    for (const role of roles) {
      const browser = await pages.loginStaff(role);
      await browser.open('/account');
      if ((await browser.post(path, fields)).status !== 403) taken.push(`${path} by ${role}`);
    }
    if ((await owner.post(path, fields, { token: null })).status !== 403) taken.push(`${path} without a token`);
    const foreign = await owner.post(path, fields, { headers: { origin: 'https://evil.example' } });
    if (foreign.status !== 403) taken.push(`${path} from another site`);
  }
  return taken;
}

/** How many changes the audit log holds: what was refused leaves none. */
export async function changes(pages: TestPortal): Promise<number> {
  const [row] = await pages.db.query<{ count: number }>('select count(*) from audit');
  return row!.count;
}
