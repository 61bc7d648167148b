// What the clients need around them: a server with roles, the pages on an origin of their own, and browsers.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const here = new URL(".", import.meta.url);

const BREEZE = "node_modules/breeze-client/fesm2022/breeze-client";
const FILES = {
    "/portal.html": ["text/html", "portal.html"],
    "/portal.js": ["text/javascript", "portal.js"],
    "/jquery.js": ["text/javascript", "node_modules/jquery/dist/jquery.js"],
    "/breeze.html": ["text/html", "breeze.html"],
    "/breeze-client.mjs": ["text/javascript", `${BREEZE}.mjs`],
    "/breeze-model.mjs": ["text/javascript", `${BREEZE}-adapter-model-library-backing-store.mjs`],
    "/breeze-odata.mjs": ["text/javascript", `${BREEZE}-adapter-data-service-odata.mjs`],
    "/breeze-uri.mjs": ["text/javascript", `${BREEZE}-adapter-uri-builder-odata.mjs`],
    "/datajs.html": ["text/html", "datajs.html"],
    "/datajs.js": ["text/javascript", "node_modules/datajs/lib/datajs.js"],
    "/devextreme.html": ["text/html", "devextreme.html"],
    "/devextreme.js": ["text/javascript", "node_modules/devextreme-dist/js/dx.all.js"],
};

// Serves the pages, and answers their origin.
export async function servePages() {
    const pages = createServer((request, response) => {
        const [type, file] = FILES[request.url.split("?")[0]] ?? [];
        if (!file) return response.writeHead(404).end();
        response.writeHead(200, { "content-type": type }).end(readFileSync(new URL(file, here)));
    });
    await once(pages.listen(0, "127.0.0.1"), "listening");
    return { origin: `http://127.0.0.1:${pages.address().port}`, stop: () => pages.close() };
}

// Starts the server on a store of its own, with the tokens of `people`, the roles of a file, and more flags.
export async function startServer(program, folder, { people, administrator, roles, origin, flags = [] }) {
    const run = (words, env) => execFileSync(program, words, { env: { ...process.env, ...env }, encoding: "utf8" });
    const account = name => `PRIV\\${name}`;
    const tokens = {};
    for (const name of people) {
        tokens[name] = run(["token", "new", "--data-dir", folder, "--account", account(name)]).trim();
    }
    const server = spawn(program, [
        "serve", "--data-dir", folder, "--listen", "127.0.0.1:0", "--log-format", "json",
        "--administrator", account(administrator), "--zone", "America/Los_Angeles", "--allowed-origin", origin,
        ...flags,
    ], { stdio: ["ignore", "inherit", "pipe"] });
    process.on("exit", () => server.kill("SIGKILL"));
    const url = `http://${await addressOf(server)}`;
    server.stderr.resume();
    const file = `${folder}/roles.toml`;
    writeFileSync(file, roles);
    run(["role", "apply", file, "--yes", "--server", url], { COUNTERSIGN_TOKEN: tokens[administrator] });
    return { api: `${url}/api/pamresources/`, tokens, stop: () => stop(server) };
}

// The address that the server tells in its log, whatever free port it has.
async function addressOf(server) {
    const lines = [];
    for await (const line of createInterface({ input: server.stderr })) {
        lines.push(line);
        const [, address] = line.match(/"address":"([^"]+)"/) ?? [];
        if (address) return address;
    }
    throw new Error(`the server ended: ${lines.join("\n")}`);
}

async function stop(server) {
    server.kill("SIGTERM");
    const [code] = server.exitCode === null ? await once(server, "exit") : [server.exitCode];
    if (code !== 0) throw new Error(`the server ended with exit code ${code}`);
}

// A browser that may run as root.
export function startBrowser() {
    return puppeteer.launch({
        protocolTimeout: 20_000,
        executablePath: "/usr/bin/chromium",
        args: process.getuid() === 0 ? ["--no-sandbox"] : [],
        env: { ...process.env, TZ: "America/Los_Angeles" },
    });
}

// A page of somebody of his own, that keeps what went wrong in it and which calls were preflighted. With a token the
// browser adds the credentials to the calls of the API behind the page's back, as it does for integrated authentication;
// so the page's own calls are what they are.
export async function open(browser, url, api, token) {
    const page = await (await browser.createBrowserContext()).newPage();
    page.setDefaultTimeout(10_000);
    page.wrong = [];
    page.preflights = [];
    page.on("pageerror", error => page.wrong.push(error.message));
    const network = await page.createCDPSession();
    await network.send("Network.enable");
    network.on("Network.requestWillBeSent", ({ request }) => {
        if (request.method === "OPTIONS") page.preflights.push(request.url);
    });
    if (token) await authenticate(page, api, token);
    await page.goto(url);
    return page;
}

async function authenticate(page, api, token) {
    await page.setRequestInterception(true);
    page.on("request", request => {
        const headers = { ...request.headers() };
        if (request.url().startsWith(api)) headers.authorization = `Bearer ${token}`;
        request.continue({ headers });
    });
}
