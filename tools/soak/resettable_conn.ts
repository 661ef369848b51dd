import { once } from "node:events";
import net from "node:net";
import { NodeConn } from "../../node_conn.ts";

/** A connection that can be reset: nothing that Deno has can send RST. */
export class ResettableConn extends NodeConn {
  readonly #socket: net.Socket;

  private constructor(socket: net.Socket, remoteAddr: Deno.NetAddr) {
    const { localAddress = "", localPort = 0 } = socket;
    super(socket, {
      localAddr: { transport: "tcp", hostname: localAddress, port: localPort },
      remoteAddr,
    });
    this.#socket = socket;
  }

  static async connect(port: number, hostname: string): Promise<ResettableConn> {
    const socket = net.connect(port, hostname);
    socket.setNoDelay();
    socket.on("error", () => {}); // whoever reads or writes is told
    await once(socket, "connect");
    return new ResettableConn(socket, { transport: "tcp", hostname, port });
  }

  /** Ends TCP with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
