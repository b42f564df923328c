import { describe, expect, it, onTestFinished } from 'vitest'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Connections } from '../../../../src/targets/remote/transport/connections.ts'
import { dispatchTo } from '../../../../src/targets/remote/transport/dispatch.ts'
import { resolveTable } from '../../../../src/targets/remote/transport/resolve-table.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { cert, key } from '../../../server/certificate.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type Handler } from '../server.ts'
import { startProxy } from './proxy-server.ts'

const bytes = Buffer.from('0123456789')
const give: Handler = () => ({ status: 200, body: bytes })

async function readFrom(host: string, options: RepositoryOptions): Promise<string> {
  await using repository = new Repository(`${host}/a`, { retry: { attempts: 1 }, ...options })
  return (await read(repository.fetch(blob(bytes)))).toString()
}

describe('a name that is resolved by an option', () => {
  it('is connected to at its address and port, under its own name', async () => {
    const server = await startServer(give)
    const resolve = { 'Registry.invalid:5000': server.host }
    expect(await readFrom('registry.invalid:5000', { plainHttp: true, resolve })).toBe('0123456789')
    expect(server.requests[0]?.headers.host).toBe('registry.invalid:5000')
  })

  it('keeps its port where the option has none, and is another one at another port', async () => {
    const server = await startServer(give)
    const port = server.host.split(':')[1]
    const resolve = { [`registry.invalid:${port}`]: '127.0.0.1' }
    expect(await readFrom(`registry.invalid:${port}`, { plainHttp: true, resolve })).toBe('0123456789')
    const error = await rejection(readFrom('registry.invalid:4999', { plainHttp: true, resolve }))
    expect(error).toMatchObject({ code: 'UNREACHABLE' })
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    ['443', false],
    ['80', true],
  ])('is meant at port %s where its reference has none', async (port, plainHttp) => {
    const server = await startServer(give, plainHttp ? {} : { tls: { cert, key } })
    const resolve = { [`registry.invalid:${port}`]: server.host }
    const options = { plainHttp, insecure: true, resolve }
    expect(await readFrom('registry.invalid', options)).toBe('0123456789')
  })

  it('must still be the name in the certificate', async () => {
    const server = await startServer(give, { tls: { cert, key } })
    const resolve = { 'localhost:4999': server.host, 'registry.invalid:4999': server.host }
    const options = { plainHttp: false, ca: cert, resolve }
    expect(await readFrom('localhost:4999', options)).toBe('0123456789')
    const error = await rejection(readFrom('registry.invalid:4999', options))
    expect(error).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } })
    expect(server.requests).toHaveLength(1)
  })

  it('leads a server to where it could lead by itself, and no further', async () => {
    const storage = await startServer(give)
    const location = 'http://storage.invalid:4999/'
    const registry = await startServer(() => ({ status: 307, headers: { location } }))
    const table = { 'storage.invalid:4999': storage.host, 'registry.invalid:80': registry.host }
    expect(await readFrom('registry.invalid', { plainHttp: true, resolve: table })).toBe('0123456789')
    const connections = new Connections({ resolve: resolveTable(table) })
    onTestFinished(() => connections.close())
    const send = dispatchTo((request) => connections.dispatcher(request), 'test')
    const learnedFrom = new URL('https://registry.example')
    const url = new URL(location)
    const error = await rejection(send({ method: 'GET', url, redirect: 'refuse', learnedFrom }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_REFUSED_ADDRESS' } })
    expect(storage.requests).toHaveLength(1)
  })

  it('may be that of a proxy', async () => {
    const [proxy, server] = [await startProxy(), await startServer(give)]
    const resolve = { 'proxy.invalid:3128': proxy.host }
    const options = { plainHttp: true, proxy: 'http://proxy.invalid:3128', resolve }
    expect(await readFrom(server.host, options)).toBe('0123456789')
    expect(proxy.asked).toHaveLength(1)
  })
})

describe('a table of addresses', () => {
  it.each([
    ['10.0.0.1', { address: '10.0.0.1' }],
    ['10.0.0.1:8443', { address: '10.0.0.1', port: '8443' }],
    ['fd00::1', { address: 'fd00::1' }],
    ['[fd00::1]', { address: 'fd00::1' }],
    ['[fd00::1]:8443', { address: 'fd00::1', port: '8443' }],
  ])('takes %s', (place, expected) => {
    expect(resolveTable({ 'Registry.example:0443': place }).get('registry.example:443')).toEqual(expected)
  })

  it.each([
    'registry.example',
    'registry.example:',
    'registry.example:0',
    'registry.example:65536',
    'registry.example:https',
    '10.0.0.1:443',
    '0x7f.1:443',
    '2130706433:443',
    '[::1]:443',
    ':443',
    '*:443',
    'https://registry.example:443',
    'user@registry.example:443',
    '',
  ])('refuses to resolve %j', (host) => {
    expect(() => new Transport({ resolve: { [host]: '10.0.0.1' } })).toThrow(RangeError)
  })

  it.each([
    '',
    'registry.example',
    'registry.example:443',
    '10.0.0.1:',
    '10.0.0.1:0',
    '10.0.0.1:70000',
    '10.0.0.256',
    '10.0.0',
    '[10.0.0.1]:443',
    '[fd00::1',
    '[]',
    '10.0.0.1,10.0.0.2',
    '+10.0.0.1',
  ])('refuses the address %j', (place) => {
    expect(() => new Transport({ resolve: { 'registry.example:443': place } })).toThrow(RangeError)
  })
})
