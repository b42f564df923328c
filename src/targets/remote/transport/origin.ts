/** True for the same scheme, host and port; default ports are equal to none. */
export function isSameOrigin(a: URL, b: URL): boolean {
  return a.origin === b.origin && a.origin !== 'null'
}

/** The origin at which a registry is reached, by the name that references have for it. */
export function registryUrl(registry: string, plainHttp: boolean | undefined): URL {
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const url = new URL(`https://${host}`)
  // A URL cannot change a port that its scheme makes the default, so the other scheme is a URL of its own.
  return (plainHttp ?? isLoopback(url.hostname)) ? new URL(`http://${host}`) : url
}

/** The port of a URL, or of what is connected to, also where it is that of the scheme. */
export function portOf({ port, protocol }: Pick<URL, 'port' | 'protocol'>): string {
  return port || (protocol === 'https:' ? '443' : '80')
}

/** The host of a URL as the network wants it: an IPv6 address without its brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** localhost, 127.0.0.0/8 and [::1], as a URL writes them. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
