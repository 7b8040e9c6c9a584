// Prints what is wrong with an AsyncAPI document, one problem a line: node parse.mjs FILE. Ends with 1 when something is.
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';
import { fromFile, Parser } from '@asyncapi/parser';

const WARNING = 1; // 0 is an error, 2 and 3 are advice

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
const problems = diagnostics.filter((each) => each.severity <= WARNING);
for (const { path, message } of problems) {
  console.log(`${path.join('.')}: ${message}`);
}
process.exitCode = document && problems.length === 0 ? 0 : 1;
