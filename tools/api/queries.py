"""The GraphQL documents. Values travel in variables; only names checked against the schema are written into a text."""

from __future__ import annotations

SUBMIT = "mutation submit($records: [RecordInput!]!) { submit(input: {records: $records}) { recordsAdded } }"

DISASSEMBLE = "mutation disassemble($input: DisassembleInput!) { disassemble(input: $input) { triggered } }"

ASSEMBLY_STATUS = "query assemblyStatus { metrics { assemblyStatus { state estimatedTimeRemaining } } }"

INTROSPECT = """
query introspect {
  __schema {
    queryType { name }
    mutationType { name }
    types {
      kind name description
      fields { name description args { name type { ...ref } } type { ...ref } }
      inputFields { name description type { ...ref } }
      enumValues { name }
    }
  }
}
fragment ref on __Type {
  kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }
}
"""
