namespace Dma.Machine;

/// <summary>A device that keeps translations of its own, as what translates for it reaches it (PCI Express, ATS).</summary>
/// <remarks>
/// A device's questions are answered through <see cref="IDmaPort.RequestTranslation"/>; what it is told unasked comes here. It
/// is said while software writes the tail of the invalidation queue, and answered before that write returns.
/// </remarks>
public interface IDeviceTlb
{
    /// <summary>The device shall forget translations.</summary>
    /// <param name="request">Which.</param>
    /// <returns>Which completions it sends; none makes the unit wait until its time is up.</returns>
    DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request);

    /// <summary>Software has answered a group of page requests.</summary>
    /// <param name="response">Which group, and what became of it.</param>
    void Respond(in PageGroupResponse response);
}
