/** This module's client. */
import { wsConnect } from "@wsconn/ws";
import { job, measure, message, url } from "./client.ts";

await measure(async (replies) => {
  const conn = await wsConnect(url);
  for (let i = 0; i < job.depth; i++) await conn.send(message);
  for (let reply; (reply = await conn.recv()) !== null && replies.count(reply.length);) {
    await conn.send(message);
  }
});
