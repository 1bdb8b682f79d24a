using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A request of a driver to one device, as far as software has to do with it.</summary>
/// <param name="State">How far it is.</param>
/// <param name="Setup">The request, as the driver meant it.</param>
/// <param name="IsSplit">Whether it goes through a transaction translator: the device is slower than high speed.</param>
/// <param name="IsFollowed">Whether software is told what became of it.</param>
/// <param name="Answer">What software answered; 0 refuses.</param>
/// <param name="AnsweredNs">When it did.</param>
internal readonly record struct HeldRequest(HeldState State, SetupPacket Setup, bool IsSplit, bool IsFollowed, byte Answer = 0, ulong AnsweredNs = 0);
