/** The oldest Node that all of this runs on; package.json says it to package managers, which only warn. */
const [oldestMajor, oldestMinor] = [22, 19] as const

/** What is wrong with a version of Node, such as `v20.1.0`; undefined if nothing is. */
export function lackOfNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined
  return `copygraph needs Node ${oldestMajor}.${oldestMinor} or later, and this is Node ${version.replace(/^v/, '')}`
}
