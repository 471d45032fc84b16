// A small SMSC on npm's smpp: it says on a line of its own what it read of each submit_sm, answers, sends a receipt, and
// once a text of its own.
const smpp = require('smpp');

let next = 0x10000000;
let wrote = false;

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('bind_transceiver', (pdu) => {
    if (pdu.system_id !== 'shop' || pdu.password !== 'secret') {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      session.close();
      return;
    }
    session.send(pdu.response());
  });
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    const message = pdu.short_message;
    const text = message.message;
    if (text === 'throttle me') {
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    let part = 0;
    let parts = 1;
    if (message.udh) {
      const joined = message.udh.find((element) => element[0] === 0 && element.length === 5);
      part = joined[4];
      parts = joined[3];
    }
    const id = (next++).toString(16);
    console.log([
      `${pdu.source_addr} ${pdu.source_addr_ton} ${pdu.source_addr_npi}`,
      `${pdu.destination_addr} ${pdu.dest_addr_ton} ${pdu.dest_addr_npi}`,
      Math.round((pdu.validity_period - Date.now()) / 60000), part, parts, JSON.stringify(text),
    ].join('\t'));
    session.send(pdu.response({ message_id: id }));
    session.deliver_sm({
      source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT, receipted_message_id: id, message_state: smpp.MESSAGE_STATE.DELIVERED,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611201200 done date:2611201200 stat:DELIVRD err:000 text:`,
    });
    if (!wrote) {
      wrote = true;
      session.deliver_sm({ source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, short_message: '退订' });
    }
  });
});
server.on('error', (failed) => { console.error(failed); process.exit(1); });
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
