# The server, its migrations and its commands: `docker run … keyturn migrate`, `… keyturn doctor` and so on.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data KEYS_DIR=/keys
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY config ./config
COPY deploy/health.ts ./deploy/health.ts
COPY migrations ./migrations
COPY src ./src
# For embedded storage alone; with DATABASE_URL nothing is written and the root file system may be read-only.
RUN install -d -m 700 -o 1000 -g 1000 /data /keys
# A number, so that an orchestrator can tell that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["node", "deploy/health.ts"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["serve"]
