import { connect } from 'node:net'

/** What a raw connection brought until it ended. */
export interface RawAnswer {
  readonly status: number
  /** In lower case, one a line. */
  readonly head: string
  /** Everything after the head, with the framing of chunks in it. */
  readonly body: string
  readonly ending: 'closed' | 'reset'
  /** Milliseconds between the first and the last byte. */
  readonly spread: number
}

export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Goes on to read after the answer instead of asking the server to close. */
  readonly keepAlive?: boolean
}

/** Sends one request over a connection of its own, and reads until that has ended. */
export async function exchange(port: number, request: RawRequest): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  const times: number[] = []
  const ended = Promise.withResolvers<'closed' | 'reset'>()
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    times.push(performance.now())
  })
  socket.on('end', () => ended.resolve('closed'))
  socket.on('error', () => ended.resolve('reset'))
  socket.write(headOf(request))
  if (request.body !== undefined) socket.write(request.body)
  const ending = await ended.promise
  socket.destroy()
  const text = Buffer.concat(chunks).toString('latin1')
  const split = text.indexOf('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0),
    head: text.slice(0, split).toLowerCase(),
    body: split === -1 ? '' : text.slice(split + 4),
    ending,
    spread: (times.at(-1) ?? 0) - (times[0] ?? 0),
  }
}

function headOf({ method = 'GET', path, headers = {}, body, keepAlive = false }: RawRequest): string {
  const all = {
    host: 'registry.example',
    ...(!keepAlive && { connection: 'close' }),
    ...(body !== undefined && { 'content-length': `${body.length}` }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}
