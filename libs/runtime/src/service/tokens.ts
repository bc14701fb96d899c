import { Inject } from '@nestjs/common';

const CONFIG = Symbol('config');
const LOGGER = Symbol('logger');

/** For Nest wiring: `constructor(@InjectConfig() config: MessageConfig, @InjectLogger() log: Logger)`. */
export const CONFIG_TOKEN = CONFIG;
export const LOGGER_TOKEN = LOGGER;
export const InjectConfig = (): ReturnType<typeof Inject> => Inject(CONFIG);
export const InjectLogger = (): ReturnType<typeof Inject> => Inject(LOGGER);
