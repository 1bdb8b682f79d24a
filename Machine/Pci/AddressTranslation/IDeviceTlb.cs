namespace Dma.Machine;

/// <summary>A device that keeps translations of its own, as what translates for it reaches it (PCI Express, ATS).</summary>
/// <remarks>
/// A device's questions are answered through <see cref="IDmaPort.RequestTranslation"/>; what it is told unasked comes here. It
/// is said while software writes the tail of the invalidation queue. A device that still uses what it shall forget answers
/// later, through its port.
/// </remarks>
public interface IDeviceTlb
{
    /// <summary>The device shall forget translations.</summary>
    /// <param name="request">Which.</param>
    /// <returns>Which completions it sends at once; with none, the unit waits for one until the time is up.</returns>
    DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request);

    /// <summary>Software has answered a group of page requests.</summary>
    /// <param name="response">Which group, and what became of it.</param>
    void Respond(in PageGroupResponse response);
}
