import { commonVariables, defineConfig } from '@huizhi/runtime';

export const mediaConfig = defineConfig(commonVariables('media'));
