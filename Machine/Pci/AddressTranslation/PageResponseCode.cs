namespace Dma.Machine;

/// <summary>The RC field: what became of a group of page requests (PCI Express, page request interface, response code); a device takes other codes for failure.</summary>
public enum PageResponseCode
{
    /// <summary>The pages are there; the device may ask for translations again.</summary>
    Success = 0,

    /// <summary>At least one page cannot be had.</summary>
    InvalidRequest = 1,

    /// <summary>Something is broken; the device stops asking.</summary>
    Failure = 15,
}
