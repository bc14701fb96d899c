import { commonVariables, defineConfig } from '@huizhi/runtime';

export const pushConfig = defineConfig(commonVariables('push'));
