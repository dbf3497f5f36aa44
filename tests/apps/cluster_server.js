// node's cluster: cluster_server.js rr|none PORT. Two workers that answer over HTTP, and by datagrams. /end ends the
// worker that is asked; another one takes its place.
const cluster = require('cluster');
const dgram = require('dgram');
const http = require('http');

const port = Number(process.argv[3]);
cluster.schedulingPolicy = process.argv[2] === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;

function serve() {
  const me = `worker ${cluster.worker.id}`;
  http.createServer((request, response) => {
    if (request.url === '/end') response.on('close', () => process.exit(0));
    if (request.method !== 'POST') {
      response.end(`${me}\n`);
      return;
    }
    let bytes = 0;
    request.on('data', (part) => { bytes += part.length; });
    request.on('end', () => response.end(`${bytes} bytes\n`));
  }).listen(port, '0.0.0.0');
  const socket = dgram.createSocket('udp4');
  socket.on('message', (message, from) => socket.send(message.toString().toUpperCase(), from.port, from.address));
  socket.bind(port);
}

if (cluster.isMaster) {
  cluster.on('online', (worker) => console.log('online', worker.id));
  cluster.on('listening', (worker, address) => console.log('listening', worker.id, address.addressType));
  cluster.on('exit', (worker) => {
    console.log('ended', worker.id);
    cluster.fork();
  });
  cluster.fork();
  cluster.fork();
} else {
  serve();
}
