import { RadiusServer } from '#radius/server';
import { Directory } from '#radius/directory';
import { defaultPolicy } from '#domain/policy';
import { SECRET } from '#test/bench/radius-bench';
import { subscriber, username, password } from '#test/bench/subscribers';
import { papDial } from '#test/radius-server/requests';
const N=50000;
const d = new Directory();
d.setPolicy(defaultPolicy());
const now=Date.now();
for (let i=0;i<N;i++) d.put([subscriber(i, now)]);
d.snapshotDone();
const s = new RadiusServer({directory:d, journal:{append:()=>-1,healthy:true}, events:{rejected(){},limitReached(){},learnedMessageAuthenticator(){}}, clock:()=>Date.now(), monotonicMs:()=>performance.now(), onError:(e)=>{console.log(e);process.exit(1)}});
s.setNases([{id:1,name:'pop-1',tags:[],address:'127.0.0.0/8',secret:SECRET,messageAuthenticator:'auto',messageAuthenticatorSeen:false,swapOctets:false}]);
const packets = Array.from({length:N},(_, i)=>papDial(username(i),password(i),SECRET,{identifier:(i/16)&255}));
let sent=0;
const socket={send(){sent++}};
for (let round=0;round<20;round++){
  const c0=process.cpuUsage(); const t0=performance.now();
  for(let i=0;i<N;i++) s.authentication(packets[i]!, {address:'127.0.0.1',family:'IPv4',port:1000+round*16+(i&15),size:packets[i]!.length}, socket);
  const c=process.cpuUsage(c0);
  if(round%4===3||round<2) console.log(round, ((c.user+c.system)/N).toFixed(2),'us cpu', ((performance.now()-t0)*1000/N).toFixed(2), 'us wall', sent, s.counters.accepts);
}
