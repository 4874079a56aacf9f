/**
 * Q3: the page about the configuration is what `config/` says now.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sections } from '../config.ts'
import { configReference, configSource } from '../local/config-reference.ts'

const page = readFileSync(join(import.meta.dirname, '../docs/configuration.md'), 'utf8')

it('docs/configuration.md is not stale: else `npm run config-reference` writes it', () => {
  expect(page).toBe(configReference())
})

it('every variable that config/ names is on it, with what it wants', () => {
  const variables = Array.from(configSource().matchAll(/^ {2,6}([A-Z][A-Z0-9_]+):/gm), ([, name]) => name!)
  expect(variables.length).toBeGreaterThan(60)
  for (const name of variables)
    expect(page).toMatch(new RegExp(`^\\| \`${name}\` \\| [^|]* \\| [^|]*\\S[^|]* \\|`, 'm'))
  expect(page).not.toContain('Invalid input')
})

it('every section is read by somebody, or is for who shows messages', () => {
  const unread = Object.keys(sections).filter((name) => !new RegExp(`## ${name}\n\n[^\n]*Read by: `).test(page))
  expect(unread).toEqual(['messages'])
})
