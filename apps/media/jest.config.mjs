import { project } from '../../jest.preset.mjs';

export default project('media', import.meta.dirname);
