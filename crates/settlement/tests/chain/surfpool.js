// Starts an endpoint that others wrote: `surfpool.js ADDON PROGRAM FILE.so`. Prints its URL, and ends
// when its standard input does.
const [addon, programId, soPath] = process.argv.slice(2);
const { Surfnet } = require(addon);
const net = Surfnet.startWithConfig({
  offline: true,
  blockProductionMode: 'clock',
  // Eight times as fast as the network: a transaction is final after 32 slots.
  slotTimeMs: 50,
});
net.deploy({ programId, soPath });
console.log(net.rpcUrl);
// Events that nobody takes stop it after some time.
setInterval(() => net.drainEvents(), 50);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
