/** An element of a well-formed document: what is in it directly, and its attributes. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly text: string
}

const token = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[A-Za-z][\w:-]*="[^"<]*")*)\s*(\/?)>|([^<]+)/y
const attribute = /([\w:-]+)="([^"]*)"/g

/** Every element of a document, in the order of their ends. Throws for what is not well-formed: https://www.w3.org/TR/xml/ without DTDs, comments, CDATA. */
export function parseXml(document: string): readonly XmlElement[] {
  // Its production Char.
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(document)) {
    throw new SyntaxError('a character that XML cannot have')
  }
  const open: { name: string; attributes: Record<string, string>; text: string }[] = []
  const done: XmlElement[] = []
  let roots = 0
  token.lastIndex = 0
  while (token.lastIndex < document.length) {
    const at = token.lastIndex
    const [, slash, name, attributes = '', empty, text] = token.exec(document) ?? []
    const current = open.at(-1)
    if (text !== undefined) {
      if (current !== undefined) current.text += decode(text)
      else if (text.trim() !== '') throw new SyntaxError(`text outside: ${text}`)
    } else if (name === undefined) throw new SyntaxError(`not well-formed: ${document.slice(at, at + 80)}`)
    else if (slash === '/') {
      if (current?.name !== name) throw new SyntaxError(`</${name}> ends ${current?.name}`)
      open.pop()
      done.push(current)
    } else {
      if (current === undefined) roots += 1
      const element = { name, attributes: parseAttributes(attributes), text: '' }
      if (empty === '/') done.push(element)
      else open.push(element)
    }
  }
  if (open.length > 0 || roots !== 1) throw new SyntaxError(`${open.length} open elements, ${roots} roots`)
  return done
}

function parseAttributes(text: string): Record<string, string> {
  const found = [...text.matchAll(attribute)].map(
    ([, name = '', value = '']) => [name, decode(value)] as const,
  )
  if (new Set(found.map(([name]) => name)).size < found.length) throw new SyntaxError(`twice in ${text}`)
  return Object.fromEntries(found)
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+);)?/g, (whole, point?: string) => {
    if (point === undefined) throw new SyntaxError(`${whole} in ${text}`)
    return String.fromCodePoint(Number(point))
  })
}
