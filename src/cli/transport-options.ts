import type { FindTls } from '../targets/remote/transport/tls-material.ts'
import type { TransportOptions } from '../targets/remote/transport/transport.ts'
import type { Connection } from './connection.ts'

/** How a registry is reached by a connection; what it shows of headers and certificates is for this registry alone. */
export function transportOptions(
  registry: string,
  connection: Connection,
): Omit<TransportOptions, 'credential'> {
  const { authentication, trustedRealms, plainHttp, insecure, ca, retry, headers } = connection
  const { proxy, resolve, requestsPerSecond, traceHeaders } = connection
  return {
    authentication,
    trustedRealms,
    plainHttp,
    insecure,
    ca,
    retry,
    headers: headers && ((name) => (name === registry ? headers : undefined)),
    tls: findTls(registry, connection),
    proxy,
    resolve,
    requestsPerSecond,
    traceHeaders,
  }
}

/** The certificate of the flags, which are final for their registry; else what docker and podman have for one. */
function findTls(registry: string, { certificate, key }: Connection): FindTls {
  let find: FindTls | undefined
  return async (name) => {
    if (name === registry && certificate !== undefined && key !== undefined) return { certificate, key }
    const { registryCertificates } = await import('../targets/remote/transport/registry-certificates.ts')
    find ??= registryCertificates()
    return find(name)
  }
}
