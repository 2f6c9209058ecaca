/** Patterns of schemas and rules. They are RE2 in Kubernetes; the common part of the two syntaxes is all that works here. */
const compiled = new Map<string, RegExp>()

/** Compiled once. Throws SyntaxError for what is no pattern. */
export function regularExpression(pattern: string): RegExp {
  let made = compiled.get(pattern)
  if (made === undefined) {
    made = compile(pattern)
    if (compiled.size > 1000) compiled.clear()
    compiled.set(pattern, made)
  }
  return made
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u')
  } catch {
    // RE2 allows needless escapes such as \- that the unicode mode refuses.
    return new RegExp(pattern)
  }
}
