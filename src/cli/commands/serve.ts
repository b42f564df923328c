import { once } from 'node:events'
import { stderr } from 'node:process'
import { inspect } from 'node:util'
import { printable, printableLines } from '../../content/printable.ts'
import { UnsupportedError } from '../../errors.ts'
import type { RequestFact } from '../../server/handler.ts'
import type { RunningRegistry, ServeOptions } from '../../server/serve.ts'
import type { AuditLog } from '../audit-log.ts'
import { readFlagFile } from '../flag-values.ts'
import type { ServeFlags } from '../flags.ts'
import { runCommand, writeWarning } from '../output/failure.ts'
import { writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { usageError } from '../usage-error.ts'

/** `copygraph serve`: serves a layout, a folder of layouts or memory as a registry until it is interrupted. */
export async function serve(
  directory: string | undefined,
  flags: ServeFlags,
  { signal }: CommandContext,
): Promise<number> {
  const { debug, auditLog } = flags
  return runCommand({ signal, debug, auditLog }, async (log) => {
    const htpasswd = await readFlagFile(flags.htpasswd, '--htpasswd')
    const tls = await readTls(flags)
    const { readOnly } = flags
    const showLine = requestLines(flags)
    const audit = log && (await requestAudit(log))
    const onRequest = (fact: RequestFact): void => {
      showLine?.(fact)
      audit?.hear(fact)
    }
    const registry = await start(directory, { ...flags.listen, tls, htpasswd, readOnly, onRequest })
    audit?.begin(registry)
    try {
      warnIfOpen(flags)
      await writeData(`${registry.url}\n`)
      if (!signal.aborted) await once(signal, 'abort')
    } finally {
      await registry.close()
    }
  })
}

interface RequestAudit {
  /** Where the registry listens. */
  begin(registry: RunningRegistry): void
  hear(fact: RequestFact): void
}

async function requestAudit(log: AuditLog): Promise<RequestAudit> {
  const { requestEntry } = await import('../serve-audit.ts')
  let host = ''
  return {
    begin: ({ url }) => (host = new URL(url).host),
    hear(fact) {
      const entry = requestEntry(fact, host)
      if (entry !== undefined) log.write(entry)
    },
  }
}

async function start(directory: string | undefined, options: ServeOptions): Promise<RunningRegistry> {
  const server = await import('../../server/server.ts')
  const store = directory === undefined ? server.memoryStore() : server.layoutStore(directory)
  try {
    return await server.serve(store, options)
  } catch (error) {
    if (error instanceof UnsupportedError)
      throw usageError(`--htpasswd: ${error.message}; htpasswd -B writes such a file`)
    throw error
  }
}

async function readTls({ tlsCert, tlsKey }: ServeFlags): Promise<ServeOptions['tls']> {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usageError('a certificate and its key go together: --tls-cert FILE --tls-key FILE')
  }
  const cert = await readFlagFile(tlsCert, '--tls-cert')
  const key = await readFlagFile(tlsKey, '--tls-key')
  return cert === undefined || key === undefined ? undefined : { cert, key }
}

function warnIfOpen({ listen: { host }, htpasswd, readOnly = false }: ServeFlags): void {
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
  if (isLocal || htpasswd !== undefined) return
  const what = readOnly ? 'read' : 'read, change and delete'
  writeWarning(`everyone who can reach ${host} may ${what} all of this: --htpasswd FILE asks for a password`)
}

function requestLines({ quiet = false, debug = false }: ServeFlags): ServeOptions['onRequest'] {
  if (quiet) return undefined
  return ({ method, url, status, milliseconds, error }: RequestFact) => {
    const line = `${method} ${url} ${status ?? 'cut off'} ${Math.round(milliseconds)} ms`
    stderr.write(`${printable(line)}\n`)
    if (error !== undefined && debug) stderr.write(`${printableLines(inspect(error))}\n`)
  }
}
