import { createServer, type Socket } from 'node:net'
import { listen } from './listen.ts'

/** A server that writes what one test wants it to, whether that is HTTP or not. */
export interface RawServer {
  /** host:port */
  readonly host: string
  /** The first bytes of each request, in the order in which they came. */
  readonly requests: readonly string[]
  /** How many bytes were written, as far as the other side has taken them. */
  written(): number
}

/** Listens on loopback until the test is over, and answers whatever comes. */
export async function startRawServer(answer: (socket: Socket, request: string) => void): Promise<RawServer> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      requests.push(bytes.toString())
      answer(socket, bytes.toString())
    })
  })
  return {
    host: `127.0.0.1:${await listen(server)}`,
    requests,
    written: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0),
  }
}

/** Writes this again and again, as fast as it is taken, until the other side hangs up. */
export function flood(socket: Socket, text: string): void {
  const bytes = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)))
  const write = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  }
  socket.on('drain', write)
  write()
}

/** Writes this every so many milliseconds, until the other side hangs up. */
export function trickle(socket: Socket, text: string, milliseconds: number): void {
  const timer = setInterval(() => socket.write(text), milliseconds)
  socket.once('close', () => clearInterval(timer))
}
