import { confirmPin } from '#operations/confirm-pin';
import { issuePin } from '#operations/issue-pin';
import { findSubscriber } from '#storage/subscribers';
import { Browserlike } from '#test/portal/browserlike';
import { logIn, order, type Served, send } from '#test/world/demo-prepaid';
import { FAST, PACKAGE, type PortalCustomer, passwordOf, rateIs } from '#test/world/demo-radius';
import type { Stage } from '#test/world/demo-stage';
import type { Provider } from '#test/world/provider';

/** The last part of the demo: paying online, at gateways that are simulated, and a postpaid customer with a bill. */

/** Billed month after month, with an ONT that GenieACS knows. */
export const POSTPAID: PortalCustomer = {
  username: 'dian',
  name: 'Dian Permata',
  phone: '6281234567805',
  address: null,
};
const SUBSCRIPTION = 'Rumah 10M';

/** Lina pays at Midtrans by herself; Dian is left to the audience, with a bill. */
export async function moneyStory(stage: Stage, provider: Provider, lina: Served): Promise<Served> {
  await payOnline(stage, provider, lina);
  return bill(stage, provider);
}

async function payOnline(stage: Stage, { url, router, money, whatsapp }: Provider, lina: Served): Promise<void> {
  const { username, phone } = lina;
  stage.heading(`${username} orders a package and pays it at Midtrans (simulated): nobody at the office does anything`);
  const customer = new Browserlike(url);
  await logIn(customer, lina);
  const { number, text } = await order(customer);
  const pay = /action="(\/customer\/invoices\/inv_\w+\/pay)"/.exec(text)?.[1];
  if (pay === undefined) throw new Error('the order shows no way to pay online');
  await send(customer, pay, { gateway: 'midtrans' });
  const link = money.midtrans.orders().at(-1)!;
  stage.say(`order ${number}: the payment page is ${money.midtrans.linkOf(link.orderId)}; she pays there by QRIS`);
  const session = router.session(username)?.id;
  await fetch(money.midtrans.linkOf(link.orderId), {
    method: 'POST',
    body: new URLSearchParams({ method: 'qris', act: 'pay' }),
    redirect: 'manual',
  });
  await stage.expectSoon(router, `CoA: ${username} has 20M`, rateIs(router, username, FAST, 'prepaid-active'), 10_000);
  await stage.expectSoon(router, 'it is still the same session', () => router.session(username)?.id === session);
  const told = () => whatsapp.messages().some(({ to, text: said }) => to === phone && said.includes(PACKAGE));
  await stage.expectSoon(whatsapp, `WhatsApp: ${username} is told that it is active`, told, 20_000);
}

/** A subscription with its first bill, and a portal account to pay it with. */
async function bill(stage: Stage, { system, router, money, atDesk }: Provider): Promise<Served> {
  const { username, name, phone } = POSTPAID;
  stage.heading(`${username} is billed month after month; her ONT is known to GenieACS (simulated)`);
  await system.gerbang(
    ...[
      'plan',
      'add',
      '--name',
      SUBSCRIPTION,
      '--down',
      '10M',
      '--up',
      '10M',
      '--period',
      'month',
      '--price',
      '150000',
    ],
  );
  await system.gerbang(
    ...['subscriber', 'add', '--username', username, '--password', passwordOf(username), '--name', name],
    ...['--phone', `+${phone}`, '--billing', 'postpaid'],
  );
  await system.gerbang('subscription', 'start', '--username', username, '--plan', SUBSCRIPTION);
  money.acs.add({ username });
  await router.dial(username, passwordOf(username), { method: 'mschap2', load: 0.01 });
  await stage.expectSoon(router, `${username} has 10M`, rateIs(router, username, 10e6, 'prepaid-active'));
  const account = await atDesk(async (desk) => {
    const { id } = (await findSubscriber(desk.db, username))!;
    const issued = await issuePin(desk, id, { send: false });
    await confirmPin(desk, id);
    return issued;
  });
  return { ...POSTPAID, portalId: account.portalId, pin: account.pin };
}

/** What the audience can pay by itself. */
export function moneyInvitation({ url, money }: Provider, dian: Served): string {
  return `
Money, with no account anywhere (Midtrans on ${money.midtrans.url} and Xendit on ${money.xendit.url} are simulated):

  Dian Permata, postpaid   ${url}/customer/login   Portal ID ${dian.portalId}   PIN ${dian.pin}

  6. Log in as Dian: a bill waits. "Generate Link Pembayaran" at Midtrans or Xendit, "Bayar" there; download the receipt.
  7. As wati: order a package, choose Midtrans, and before you pay "Buka internet untuk membayar": her line moves to
     prepaid-paying for a quarter of an hour. Then pay: 20M, by itself.
  8. "Ganti Paket": what is left is taken off. "WiFi": a new name or password goes to Dian's ONT over GenieACS.
  9. As the office: Tagihan (${url}/invoices), Pembayaran (${url}/payments), Buku Besar (${url}/ledger).
`;
}
