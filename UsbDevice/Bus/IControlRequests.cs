using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Who answers the requests that come over endpoint 0.</summary>
internal interface IControlRequests
{
    /// <summary>A request, with all its data where the data goes to the device.</summary>
    /// <param name="setup">The request.</param>
    /// <param name="data">What came, or the room for the answer.</param>
    /// <returns>How many bytes the answer has, 0 where there is none; negative to refuse with STALL.</returns>
    int Request(in SetupPacket setup, Span<byte> data);

    /// <summary>The status stage of a request without an answer was acknowledged.</summary>
    void RequestDone(in SetupPacket setup);
}
