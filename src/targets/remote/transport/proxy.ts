import { BlockList, isIP } from 'node:net'
import { isRegistry } from '../../../content/reference.ts'
import { UnsupportedError } from '../../../errors.ts'
import type { Environment } from '../auth/docker-credential.ts'
import { reachOf } from './addresses.ts'
import { portOf, withoutBrackets } from './origin.ts'

/** A proxy, and who is shown to it. */
export interface ProxyServer {
  /** Without user info. */
  readonly url: URL
  /** The value of Proxy-Authorization, which is for the proxy alone. */
  readonly authorization: string | undefined
}

/** The proxy that leads to a URL; undefined where none does. Error: UNSUPPORTED for one that a variable names, and that is none. */
export type FindProxy = (url: URL) => ProxyServer | undefined

/**
 * With a URL that proxy for everything, with '' none. Else as the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY say
 * it to programs in Go, in lower case first: never for this machine itself, and HTTP_PROXY in upper case not where a
 * web server could have made it of a header of a request (CGI). Throws a RangeError for what is no URL of a proxy.
 */
export function proxyChoice(proxy: string | undefined, environment: Environment): FindProxy {
  if (proxy === '') return () => undefined
  if (proxy === undefined) return proxyOfVariables(environment)
  const server = parseProxy(proxy)
  if (server === undefined) throw new RangeError(`the proxy is ${noProxy}`)
  return () => server
}

const noProxy = 'no URL such as http://host:port or https://host:port'

function proxyOfVariables(environment: Environment): FindProxy {
  const isCgi = environment['REQUEST_METHOD'] !== undefined
  const https = proxyOfVariable(environment, ['https_proxy', 'HTTPS_PROXY'])
  const http = proxyOfVariable(environment, isCgi ? ['http_proxy'] : ['http_proxy', 'HTTP_PROXY'])
  if (https === undefined && http === undefined) return () => undefined
  const isExcepted = exceptions(environment['no_proxy'] || environment['NO_PROXY'] || '')
  return (url) => {
    const find = url.protocol === 'https:' ? https : http
    return find === undefined || isLocal(url) || isExcepted(url) ? undefined : find()
  }
}

/** What is wrong with a variable is an error where it matters: many requests need no proxy. */
function proxyOfVariable(
  environment: Environment,
  names: readonly string[],
): (() => ProxyServer) | undefined {
  const name = names.find((candidate) => environment[candidate])
  if (name === undefined) return undefined
  const server = parseProxy(environment[name] ?? '')
  return () => {
    if (server === undefined) throw new UnsupportedError(`the proxy in ${name} is ${noProxy}`)
    return server
  }
}

function parseProxy(text: string): ProxyServer | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined
  const { username, password, origin } = url
  if (username === '' && password === '') return { url: new URL(origin), authorization: undefined }
  const user = `${percentDecoded(username)}:${percentDecoded(password)}`
  return { url: new URL(origin), authorization: `Basic ${Buffer.from(user).toString('base64')}` }
}

/** A password may have a percent sign that nobody has encoded. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function isLocal({ hostname }: URL): boolean {
  return hostname === 'localhost' || reachOf(withoutBrackets(hostname)) === 'loopback'
}

/** As Go reads NO_PROXY: `*`, addresses, subnets, names with all under them, and those alone that are under `.name`; each with a port or without. */
function exceptions(list: string): (url: URL) => boolean {
  const entries = list.toLowerCase().split(/[\s,]+/)
  if (entries.includes('*')) return () => true
  const matchers = entries.flatMap((entry) => exception(entry) ?? [])
  return (url) => matchers.some((isMatch) => isMatch(url))
}

type Matcher = (url: URL) => boolean

function exception(entry: string): Matcher | undefined {
  if (entry.includes('/')) return subnetException(entry)
  const [, host = '', wantedPort] = isIP(entry) === 6 ? [entry, entry] : (hostAndPort.exec(entry) ?? [])
  const isHost = host === '' ? undefined : hostException(host)
  if (isHost === undefined || wantedPort === undefined) return isHost
  return (url) => portOf(url) === wantedPort && isHost(url)
}

const hostAndPort = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/

function hostException(host: string): Matcher | undefined {
  const address = withoutBrackets(host)
  if (isIP(address) !== 0) return subnetException(`${address}/${isIP(address) === 4 ? 32 : 128}`)
  const name = host.replace(/^\*?\./, '')
  if (!isRegistry(name)) return undefined
  const isUnder: Matcher = ({ hostname }) => isIP(hostname) === 0 && hostname.endsWith(`.${name}`)
  return name === host ? (url) => url.hostname === name || isUnder(url) : isUnder
}

function subnetException(entry: string): Matcher | undefined {
  const [network = '', prefix = ''] = entry.split('/')
  const family = isIP(network)
  if (family === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128))
    return undefined
  const subnet = new BlockList()
  subnet.addSubnet(network, Number(prefix), family === 4 ? 'ipv4' : 'ipv6')
  return ({ hostname }) => {
    const address = withoutBrackets(hostname)
    return isIP(address) !== 0 && subnet.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}
