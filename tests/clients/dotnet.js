// The OData client of .NET against the server of a program: `node dotnet.js PROGRAM`. `dotnet.cs` holds the steps.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { startServer } from "./programs.js";

const OTHERS = ["al", "bo", "cy", "di"];
// As many rows as one answer has; the client's own request is one more.
const ROWS = 10_000;
const ROLES = String.raw`
[[role]]
display_name = "Backup"
max_duration = "1h"
candidates = ['PRIV\jen']
approval_required = false

[[role]]
display_name = "SQL File Access"
description = "For Jürgen & <others>"
max_duration = "2h"
candidates = ['PRIV\jen', ${OTHERS.map(name => `'PRIV\\${name}'`).join(", ")}]
approvers = ['PRIV\sam']
required_approvals = 1
`;

async function main(program) {
    const folder = mkdtempSync(`${tmpdir()}/countersign-dotnet-`);
    try {
        const server = await startServer(program, folder, {
            people: ["ann", "jen", "sam", ...OTHERS], administrator: "ann", roles: ROLES, origin: "http://pamsrv:8090",
            flags: ["--max-filings", "0", "--max-pending", "0"],
        });
        const role = await roleOf(server);
        await Promise.all(OTHERS.map(name => file(server, name, role, ROWS / OTHERS.length)));
        const { api, tokens } = server;
        const { status } = spawnSync("mono", ["dotnet.exe", api, tokens.jen, tokens.sam, String(ROWS)], { stdio: "inherit" });
        assert.equal(status, 0, "a step of the .NET client failed");
        await server.stop();
    } finally {
        rmSync(folder, { recursive: true });
    }
}

async function roleOf({ api, tokens }) {
    const answer = await fetch(`${api}pamroles`, { headers: { authorization: `Bearer ${tokens.al}` } });
    const { value: [role] } = await answer.json();
    return role.RoleId;
}

async function file({ api, tokens }, name, role, rows) {
    const headers = { authorization: `Bearer ${tokens[name]}`, prefer: "return-no-content" };
    for (let row = 0; row < rows; row++) {
        const { status } = await fetch(`${api}pamrequests?RoleId=${role}&Justification=Row+${row}`, { method: "POST", headers });
        assert.equal(status, 204);
    }
}

await main(process.argv[2]);
