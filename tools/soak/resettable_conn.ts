import { once } from "node:events";
import net from "node:net";
import { NodeConn } from "../../tls.ts";

/** A connection of node:net, for the sake of `reset`: nothing else that Deno has can send RST. */
export class ResettableConn extends NodeConn {
  /** Ends TCP with RST. */
  readonly reset: () => void;

  private constructor(socket: net.Socket) {
    const { localAddress = "", localPort = 0, remoteAddress = "", remotePort = 0 } = socket;
    super(socket, {
      localAddr: { transport: "tcp", hostname: localAddress, port: localPort },
      remoteAddr: { transport: "tcp", hostname: remoteAddress, port: remotePort },
    });
    this.reset = () => socket.resetAndDestroy();
  }

  static async connect(port: number, hostname: string): Promise<ResettableConn> {
    const socket = net.connect(port, hostname);
    socket.setNoDelay();
    socket.on("error", () => {}); // read and write throw it
    await once(socket, "connect");
    return new ResettableConn(socket);
  }
}
