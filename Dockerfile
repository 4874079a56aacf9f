# One image for all of our processes; docker-compose.yml and the deployments name the command of each.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY patches patches
RUN npm ci --omit=dev

FROM node:24-slim
# Temporal's client trusts the system's certificates, and the slim image has none.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules node_modules
COPY . .
RUN node workers/bundle-workflows.ts
USER node
CMD ["node", "api/main.ts"]
