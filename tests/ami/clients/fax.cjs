// SPDX-License-Identifier: GPL-2.0-or-later
// node fax.cjs PORT USER SECRET CHANNEL FILE: a fax of FILE, twice, by way of npm's asterisk-manager; prints what came of it
// as JSON.
'use strict';

const [port, user, secret, channel, file] = process.argv.slice(2);
const heard = { errors: [], sessions: [], session: {}, statuses: [], variables: {}, events: [] };
const ami = require('asterisk-manager')(Number(port), '127.0.0.1', user, secret, true);
const id = 'node-' + process.pid;
const ours = (event) => event.uniqueid === id || event.destuniqueid === id;

function note(error, answer) {
  if (error) heard.errors.push(answer ? answer.message : String(error));
}

function finish(status) {
  console.log(JSON.stringify(heard));
  ami.disconnect();
  process.exit(status);
}

ami.on('error', (error) => { heard.errors.push(String(error)); finish(1); });
ami.on('fullybooted', () => {
  heard.booted = true;
  ami.action({
    action: 'originate', channel, application: 'SendFAX', data: `${file}&${file},fzs`, async: true, channelid: id,
    callerid: '"Node" <0301234567>', timeout: 20000,
    variable: { 'FAXOPT(localstationid)': 'NODE', 'FAXOPT(headerinfo)': 'From node' },
  }, (error, answer) => { note(error, answer); heard.queued = answer && answer.message; });
});
ami.on('managerevent', (event) => {
  if (!ours(event)) return;
  heard.events.push(event.event);
  if (event.event === 'VarSet') heard.variables[Object.keys(event.variable)[0]] = event.value;
});
ami.on('faxstatus', (event) => {
  if (!ours(event)) return;
  heard.statuses.push(event.status);
  if (event.status === 'FAX Transmission In Progress') {
    heard.channel = event.channel;
    ami.action({ action: 'faxsessions' }, note);
  }
});
ami.on('faxsessionsentry', (event) => {
  heard.sessions.push(event);
  if (event.channel === heard.channel) {
    ami.action({ action: 'faxsession', sessionnumber: event.sessionnumber }, note);
  }
});
ami.on('faxsession', (event) => { heard.session = event; });
ami.on('originateresponse', (event) => { if (ours(event)) heard.originated = event; });
ami.on('sendfax', (event) => { if (ours(event)) heard.sendfax = event; });
ami.on('hangup', (event) => {
  if (!ours(event)) return;
  heard.hangup = event;
  setTimeout(() => finish(0), 200);
});
setTimeout(() => { heard.errors.push('not over in time'); finish(1); }, 150000);
