import {ThemeSelector} from "@mass_mailing/themes/theme_selector/theme_selector";
import {markup, onWillStart, useState} from "@odoo/owl";

/** What a new mail can begin with: our designs and those of the company, then Odoo's themes. */
export class DesignSelector extends ThemeSelector {
    static template = "email_marketing_dm.DesignSelector";

    setup() {
        super.setup();
        this.designs = useState([]);
        onWillStart(async () => {
            const fields = ["name", "description", "write_date"];
            const designs = await this.orm.searchRead("directmail.design", [], fields);
            this.designs.push(...designs);
        });
    }

    getThumbnail({id, write_date}) {
        return `/directmail/thumbnail/design/${id}?unique=${encodeURIComponent(write_date)}`;
    }

    async onSelectDesign({id}) {
        const content = await this.orm.call("directmail.design", "get_content", [[id]]);
        this.props.config.setDesign({...content, body_arch: markup(content.body_arch)});
    }
}
