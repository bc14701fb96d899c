# One image for all services: the command says which, e.g. `dist/apps/gateway/src/main.js`.
ARG NODE_IMAGE=node:22-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not `npm ci`: with npm 11 it can reject a lock file that lists other platforms' packages. No install script is needed.
RUN npm install --no-audit --no-fund --ignore-scripts --include=dev --include=optional
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY scripts/clean.mjs scripts/
COPY libs libs
COPY apps apps
RUN npm run build && npm prune --omit=dev --no-audit --no-fund --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
ENTRYPOINT ["node", "--enable-source-maps"]
CMD ["dist/apps/gateway/src/main.js"]
