import { describe, expect, it } from 'vitest'
import type { CopyEvent } from '../../../../src/events.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { parseWarnings } from '../../../../src/targets/remote/transport/warnings.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type TestServer } from '../server.ts'

const bytes = Buffer.from('x')

/** What is told of the answers of a server to so many requests for a blob. */
async function warningsOf(server: TestServer, requests = 1): Promise<readonly string[]> {
  const events: CopyEvent[] = []
  await using registry = new Registry(server.host)
  for (let count = 0; count < requests; count++) {
    await read(registry.repository('a').fetch(blob(bytes), { onEvent: (event) => events.push(event) }))
  }
  return events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
}

function warn(...warning: readonly string[]): Promise<TestServer> {
  return startServer(() => ({ status: 200, headers: { warning }, body: bytes }))
}

describe('a warning of a registry', () => {
  it('is told once, with the name of the registry', async () => {
    const server = await warn('299 - "your token expires soon"', '299 - "read only on Sunday"')
    expect(await warningsOf(server, 3)).toEqual([
      `${server.host} says: your token expires soon`,
      `${server.host} says: read only on Sunday`,
    ])
  })

  it('is told of each registry', async () => {
    const servers = [await warn('299 - "a"'), await warn('299 - "a"')]
    const messages: string[] = []
    const onEvent = (event: CopyEvent): void => {
      if (event.type === 'warning') messages.push(event.message)
    }
    await using transport = new Transport()
    for (const { host } of servers) await new Registry(host, { transport }).ping({ onEvent })
    expect(messages).toEqual(servers.map(({ host }) => `${host} says: a`))
  })

  it('is not used up by a request that nobody listens to', async () => {
    const server = await warn('299 - "a"')
    const events: CopyEvent[] = []
    await using repository = new Repository(`${server.host}/a`)
    await repository.exists(blob(bytes))
    await repository.exists(blob(bytes), { onEvent: (event) => events.push(event) })
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1)
  })

  it('is told of an error too', async () => {
    const server = await startServer(() => ({ status: 404, headers: { warning: '299 - "moved"' } }))
    const events: CopyEvent[] = []
    await using repository = new Repository(`${server.host}/a`)
    await repository.exists(blob(bytes), { onEvent: (event) => events.push(event) })
    expect(events.map(({ type }) => type)).toEqual(['request', 'warning'])
  })

  it('is none of another host’s', async () => {
    const storage = await warn('299 - "buy more"')
    const registry = await startServer(() => ({ status: 307, headers: { location: storage.url } }))
    expect(await warningsOf(registry)).toEqual([])
    const events: CopyEvent[] = []
    await using transport = new Transport()
    const response = await transport.send({
      method: 'GET',
      url: new URL(storage.url),
      access: { registry: registry.host, scopes: [] },
      redirect: 'refuse',
      onEvent: (event) => events.push(event),
    })
    await response.discard()
    expect(events.map(({ type }) => type)).toEqual(['request'])
    expect(storage.requests).toHaveLength(2)
  })

  it('is cut where it is long', async () => {
    const [message = ''] = await warningsOf(await warn(`299 - "${'x'.repeat(3000)}"`))
    expect(message.length).toBeLessThan(600)
  })

  it('is not told where there are 100 others', async () => {
    let count = 0
    const server = await startServer(() => {
      count += 1
      return { status: 200, headers: { warning: `299 - "warning ${count}"` }, body: bytes }
    })
    expect(await warningsOf(server, 110)).toHaveLength(100)
  })

  it('fails the request with what its listener throws, and holds no connection', async () => {
    const server = await warn('299 - "a"')
    const failure = new Error('the listener broke')
    await using repository = new Repository(`${server.host}/a`)
    const onEvent = ({ type }: CopyEvent): void => {
      if (type === 'warning') throw failure
    }
    expect(await rejection(read(repository.fetch(blob(bytes), { onEvent })))).toBe(failure)
    await read(repository.fetch(blob(bytes)))
    expect(await server.connections()).toBe(1)
  })
})

describe('a Warning header', () => {
  it.each([
    ['299 - "text"', ['text']],
    ['  299 - "text"  ', ['text']],
    ['299 - "say \\"no\\" \\\\ twice"', ['say "no" \\ twice']],
    ['299 - "a, b", 299 - "c"', ['a, b', 'c']],
    ['299 - "a",299 - "b"', ['a', 'b']],
    ['299 - "a", 199 - "b", 299 - "c"', ['a']],
    [Buffer.from('299 - "größer"').toString('latin1'), ['größer']],
    ['299 - "gr\u00f6\u00dfer"', ['größer']],
    ['299 - ""', []],
    ['299 - " "', []],
    ['299 - "text" "Sun, 06 Nov 1994 08:49:37 GMT"', []],
    ['299 host "text"', []],
    ['110 - "stale"', []],
    ['2990 - "text"', []],
    ['299  - "text"', []],
    ['299 - text', []],
    ['299 - "text', []],
    ['299 - "text\\"', []],
    ["299 - 'text'", []],
    ['x 299 - "text"', []],
    ['', []],
  ])('%j warns of %j', (header, texts) => {
    expect(parseWarnings([header])).toEqual(texts)
  })

  it('is not heard beyond 4096 bytes in all', () => {
    const header = `299 - "${'x'.repeat(2000)}"`
    expect(parseWarnings([header, header, header])).toHaveLength(2)
    expect(parseWarnings([`299 - "${'x'.repeat(5000)}"`])).toEqual([])
  })

  it('is parsed in linear time', () => {
    const started = performance.now()
    for (const text of ['299 - "\\', '299 - "a', '\\"', ' ', '299 - "a",'])
      parseWarnings([text.repeat(200_000)])
    for (const text of ['\\"', '"', ' ']) parseWarnings([`299 - "${text.repeat(4000).slice(0, 4080)}`])
    expect(performance.now() - started).toBeLessThan(500)
  })
})
