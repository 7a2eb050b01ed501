import { expect, test } from 'vitest';
import { radclient, startFreeRadiusAuth, startFreeRadiusCoa } from '#test/support/freeradius';
import { describeWithFreeRadius } from '#test/support/tools';

describeWithFreeRadius('a real FreeRADIUS', () => {
  test('acknowledges or refuses CoA and Disconnect by rule and notes what it was told', async () => {
    const nas = await startFreeRadiusCoa({
      rules: [
        { username: 'gone', errorCause: 'Session-Context-Not-Found' },
        { username: 'here' },
        { errorCause: 'Administratively-Prohibited' },
      ],
    });
    try {
      const ask = async (type: string, username: string, more: string[] = []) =>
        (await radclient(nas, type, [`User-Name = "${username}"`, ...more])).text;
      expect(await ask('coa', 'here', ['Mikrotik-Rate-Limit = "1M/2M"'])).toContain('Received CoA-ACK');
      expect(await ask('disconnect', 'here')).toContain('Received Disconnect-ACK');
      expect(await ask('disconnect', 'gone')).toMatch(/Disconnect-NAK[\s\S]*Error-Cause = Session-Context-Not-Found/);
      expect(await ask('coa', 'else')).toMatch(/CoA-NAK[\s\S]*Error-Cause = /);
      const received = await nas.received();
      expect(received.map(({ type }) => type)).toEqual([
        'CoA-Request',
        'Disconnect-Request',
        'Disconnect-Request',
        'CoA-Request',
      ]);
      expect(received[0]?.attributes).toMatchObject({ 'User-Name': 'here', 'Mikrotik-Rate-Limit': '1M/2M' });
    } finally {
      await nas.stop();
    }
  });

  test('answers tens of thousands of users from memory', async () => {
    const users = Array.from({ length: 20_000 }, (_, i) => ({ username: `user${i}`, password: `pass"${i}` }));
    const server = await startFreeRadiusAuth({ users, reply: ['Mikrotik-Rate-Limit := "1M/2M"'] });
    try {
      const right = await radclient(server, 'auth', ['User-Name = "user19999"', `User-Password = 'pass"19999'`]);
      expect(right.text).toMatch(/Received Access-Accept[\s\S]*Mikrotik-Rate-Limit = "1M\/2M"/);
      const wrong = await radclient(server, 'auth', ['User-Name = "user19999"', 'User-Password = "other"']);
      expect(wrong.text).toContain('Received Access-Reject');
    } finally {
      await server.stop();
    }
  });
});
