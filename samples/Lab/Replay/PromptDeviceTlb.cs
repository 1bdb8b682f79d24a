using Dma.Machine;

namespace Dma.Lab;

/// <summary>A device that holds no translations and says at once that it has dropped them.</summary>
internal sealed class PromptDeviceTlb : IDeviceTlb
{
    /// <inheritdoc/>
    public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    /// <inheritdoc/>
    public void Respond(in PageGroupResponse response)
    {
        // It asked for no pages.
    }
}
