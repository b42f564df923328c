import { Agent, type Dispatcher } from 'undici'
import type { Connector } from './connector.ts'
import { withoutBrackets } from './origin.ts'
import type { ProxyServer } from './proxy.ts'

/**
 * Plain HTTP through a proxy: requests name their whole URL, and the proxy sends them on (RFC 9112, 3.2.2). As curl and
 * programs in Go do it, since proxies rarely make tunnels to ports other than 443. The connections are for one origin
 * each, although all lead to the proxy.
 */
export function forwardingTo(
  { url, authorization }: ProxyServer,
  connect: Connector,
  options: Agent.Options = {},
): Dispatcher {
  const { protocol, hostname, host, port } = url
  const agent = new Agent({
    ...options,
    connect: (_target, callback) =>
      connect({ protocol, hostname: withoutBrackets(hostname), host, port }, callback),
  })
  return agent.compose((dispatch) => (request, handler) => {
    const path = `${String(request.origin)}${request.path}`
    // Those of a request are an object always.
    const own = Object.fromEntries(Object.entries(request.headers ?? {}))
    const headers = authorization === undefined ? own : { ...own, 'proxy-authorization': authorization }
    return dispatch({ ...request, path, headers }, handler)
  })
}
