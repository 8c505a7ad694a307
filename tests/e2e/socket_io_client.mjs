// The official client as a program: node socket_io_client.mjs LIBRARY URL TRANSPORTS EVENT FIELDS LAST. Sends the event
// with the fields (JSON on standard input if FIELDS is "-"), and prints each event that comes as a line, up to one of LAST.
import {readFileSync} from 'node:fs';

const [library, url, transports, event, fields, last] = process.argv.slice(2);
const {io} = await import(library);
const wanted = JSON.parse(fields === '-' ? readFileSync(0, 'utf8') : fields);
const polls = transports === 'polling';
const socket = io(url, {transports: polls ? ['polling'] : transports.split(','), upgrade: !polls, reconnection: false});
const print = (name, ...more) => console.log(JSON.stringify([name, ...more]));
const leave = () => {
  print('transport', socket.io.engine.transport.name);
  socket.close();
};
socket.on('connect_error', (error) => {
  print('connect_error', error.message);
  process.exitCode = 1;
});
socket.onAny((name, argument) => {
  print(name, argument);
  if (last.split(',').includes(name)) leave();
});
socket.on('connect', () => {
  print('connect', socket.id);
  const send = () => socket.timeout(60000).emit(event, wanted, (error) => print('acknowledged', !error));
  if (polls || socket.io.engine.transport.name === 'websocket') send();  // it may have changed by then
  else socket.io.engine.once('upgrade', send);
});
socket.on('disconnect', (reason) => print('disconnect', reason));
