import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { blob, read } from '../../contract/support.ts'
import { listen } from '../listen.ts'
import { startServer } from '../server.ts'

const bytes = Buffer.from('0123456789')
const hosts = 250

/** Answers on many addresses, each of which is a host of its own, and wants to keep each connection for long. */
async function startEverywhere(): Promise<{ readonly urls: readonly string[]; readonly open: () => number }> {
  let open = 0
  const urls = await Promise.all(
    Array.from({ length: hosts }, async (_, index) => {
      const server = createServer({ keepAliveTimeout: 600_000 }, (_request, response) => response.end(bytes))
      server.on('connection', (socket) => {
        open += 1
        socket.on('close', () => (open -= 1))
      })
      const address = `127.0.0.${index + 2}`
      return `http://${address}:${await listen(server, address)}/`
    }),
  )
  return { urls, open: () => open }
}

it('a registry that leads to ever other hosts does not have us keep a connection to each', async () => {
  const { urls, open } = await startEverywhere()
  let count = 0
  const registry = await startServer(() => ({
    status: 307,
    headers: { location: urls[count++ % hosts] ?? '' },
  }))
  await using repository = new Repository(`${registry.host}/a`)
  let most = 0
  for (let turn = 0; turn < hosts / 10; turn++) {
    await Promise.all(Array.from({ length: 10 }, () => read(repository.fetch(blob(bytes)))))
    most = Math.max(most, open())
  }
  expect(count).toBe(hosts)
  expect(most).toBeLessThan(130)
})
