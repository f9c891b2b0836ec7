"""lastlayer.torch in a training loop: the loss on logits, then a temperature fitted on held-out rows."""
# PyTorch's own methods are typed in part only.
# pyright: reportUnknownMemberType=false

import torch

import lastlayer.torch as lt

torch.manual_seed(0)
centres = 1.5 * torch.randn(10, 32)
labels = torch.randint(10, (2000,))
features = centres[labels] + 2 * torch.randn(2000, 32)
train, held_out = slice(0, 1500), slice(1500, 2000)

model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
criterion = lt.CrossEntropyLoss(label_smoothing=0.05)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(30):
    loss: torch.Tensor = criterion(model(features[train]), labels[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} nats")

with torch.no_grad():
    logits: torch.Tensor = model(features[held_out])
scaling = lt.TemperatureScaling().fit(logits, labels[held_out])
probabilities = lt.softmax(scaling(logits), dim=1)
print(f"beta {scaling.beta.item():.3f}, mean confidence {probabilities.amax(dim=1).mean().item():.3f}")
