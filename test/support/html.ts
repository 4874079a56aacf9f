/**
 * HTML as a browser reads it.
 */
import { defaultTreeAdapter, parse, type DefaultTreeAdapterTypes } from 'parse5'

type Node = DefaultTreeAdapterTypes.Node
export type Element = DefaultTreeAdapterTypes.Element

/** The document, with what a browser would have had to mend. */
export function parseHtml(html: string): { document: Node; errors: string[] } {
  const errors: string[] = []
  const document = parse(html, { onParseError: ({ code }) => void errors.push(code) })
  return { document, errors }
}

/** All elements in the order of the document, or those of a tag. */
export function elementsOf(node: Node, tagName?: string): Element[] {
  const children = 'childNodes' in node ? node.childNodes.flatMap((child) => elementsOf(child, tagName)) : []
  const isOne = defaultTreeAdapter.isElementNode(node) && (tagName === undefined || node.tagName === tagName)
  return isOne ? [node, ...children] : children
}

export function attributeOf(element: Element, name: string): string | undefined {
  return element.attrs.find((candidate) => candidate.name === name)?.value
}

export function hasClass(element: Element, name: string): boolean {
  return (attributeOf(element, 'class') ?? '').split(' ').includes(name)
}

/** Each piece of text that is not white space alone. */
export function textsOf(node: Node): string[] {
  if (defaultTreeAdapter.isTextNode(node)) return node.value.trim() === '' ? [] : [node.value]
  return 'childNodes' in node ? node.childNodes.flatMap(textsOf) : []
}
