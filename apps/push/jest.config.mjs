import { project } from '../../jest.preset.mjs';

export default project('push', import.meta.dirname);
